"""SoundMind-RL: REINFORCE++ (or a relative) from rule-based rewards, on the DeepSpeed engine.

One round: ask prompts, sample n responses each with the live policy, compare their log-probabilities with the frozen
SFT policy (while the responses are spoken, where they are), score them (section 4 of arXiv 2506.12935), turn reward and
KL into advantages (eq. 6), normalise these over the global batch (eq. 7), and take a few clipped policy-gradient steps.

Deviations from the paper:

- **Eq. 6, KL(i)**: π_θ is the policy that sampled, and its log-probabilities are those the sampler computed; they are
  not computed a second time by the trainer (with `rollout_engine: vllm` they are: vLLM computes by other kernels).
  `rollout/log_prob_agreement` shows that both agree. π_SFT is the same model
  with its adapters switched off, or a frozen copy.
- **Eq. 6 and 7, distribution**: control tokens other than the end of turn are removed from the distribution, in
  sampling and in all scoring: a sampled `<|AUDIO|>` would be taken for a place of audio.
- **Eq. 7, σ**: the advantages are all set to zero where every one is the same, instead of dividing by zero.
- **Section 4, audio terms**: the policy writes, and does not speak. `format_audio` (λ2) and `length_audio` (λ5) earn
  nothing by default; with `spoken.enabled` a speech engine speaks what was written, and they are earned by that speech:
  by its voice activity, not by the talker's tokens. T_annotation are the seconds in which the same engine says the
  annotated response, not those of the annotation's own recording.
- **Section 4, overlong**: `algorithm.overlong` adds DAPO's penalty to the reward; off in the paper's preset.
- **What is trained**: adapters (or the whole language model by `adaptation: full`) instead of all weights; the audio
  tower is frozen, so that each prompt's audio is encoded once a round.
- **What is asked**: heard and read questions are mixed by `audio_share`; the paper trains one modality at a time.
- **Steps**: the tens of rounds of the nano default instead of 50,000 steps.
"""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from soundmind_pipeline.metrics import MetricSink, NullSink
from soundmind_pipeline.policy.adapters import add_lora
from soundmind_pipeline.policy.folder import ModelFolder, Policy, load_policy, save_policy
from soundmind_pipeline.policy.processor import banned_token_ids
from soundmind_pipeline.policy.prompts import PromptEncoder
from soundmind_pipeline.policy.recompute import recompute_layers
from soundmind_pipeline.policy.thinker import thinker_of
from soundmind_pipeline.rewards.scorer import Scorer
from soundmind_pipeline.training.checkpoints import Checkpoints, Progress
from soundmind_pipeline.training.engine import ParameterGroup, PolicyEngine, policy_engine
from soundmind_pipeline.training.fingerprint import fingerprint
from soundmind_pipeline.training.params import RlParams
from soundmind_pipeline.training.parts import adapter_group, parameter_groups, parts_of
from soundmind_pipeline.training.progress import progress_line
from soundmind_pipeline.training.ranks import Ranks, process_group
from soundmind_pipeline.training.reinforce import guards
from soundmind_pipeline.training.reinforce.dev import SETTINGS, DevEvaluation
from soundmind_pipeline.training.reinforce.experience import Reference
from soundmind_pipeline.training.reinforce.prompts import LogMels, QuestionSource
from soundmind_pipeline.training.reinforce.rollouts import RolloutWorker, rollout_engine
from soundmind_pipeline.training.reinforce.rounds import Rounds
from soundmind_pipeline.training.reinforce.spoken import rollout_speaker
from soundmind_pipeline.training.reinforce.update import PolicyModule
from soundmind_pipeline.training.rows import training_rows

logger = logging.getLogger(__name__)


def train_rl(
    sft_policy: ModelFolder,
    index: pd.DataFrame,
    log_mels: LogMels,
    work: Path,
    metrics: MetricSink,
    params: RlParams,
    deepspeed: Mapping[str, Any],
) -> tuple[ModelFolder, pd.DataFrame]:
    """Train the SFT policy by reinforcement; killed at any moment, the same call continues to the same bits.

    Args:
        sft_policy: The policy to start from, which stays the reference.
        index: The feature index: prompts come from its train split, evaluations while training from dev.
        log_mels: uid → float32 `[frames, 128]`.
        work: Folder for checkpoints (removed at the end) and the export.
        metrics: Gets each round's metrics as they come; after a resumption the rounds done before are told again.
        params: The job.
        deepspeed: The parsed DeepSpeed file.

    Returns:
        The trained policy under `work`: an adapter folder (plain PEFT) that names `sft_policy` as its base, or a whole
        one. And the history: one row a round, `step` and the metrics.

    Raises:
        SoundmindError: Data or DeepSpeed file do not fit, or a guard ends the run.
    """
    index = training_rows(index, params, imitates=False)
    with process_group(params.threads) as ranks:
        identity = fingerprint(params, sft_policy.path, index, ranks.world_size, deepspeed)
        checkpoints = Checkpoints(work / "checkpoints", ranks, identity)
        progress = checkpoints.find(params.resume)
        policy = _starting_policy(sft_policy, params)
        source = QuestionSource(index, log_mels, PromptEncoder(policy.processor, params.instruction), params, ranks)
        reference = Reference(policy.model if params.adaptation == "lora" else _frozen(sft_policy, params, ranks))
        trainer = _RlTrainer(policy, reference, source, metrics, params, ranks)
        state = trainer.run(checkpoints, progress, deepspeed)
        if ranks.is_main:
            exported = _starting_policy(sft_policy, params)
            exported.model.load_state_dict(state, strict=False)
            save_policy(exported, work / "export")
        ranks.barrier()
        checkpoints.remove()
    return ModelFolder(work / "export"), pd.DataFrame(progress.history)


class _RlTrainer:
    """The loop over rounds."""

    def __init__(
        self,
        policy: Policy,
        reference: Reference,
        source: QuestionSource,
        metrics: MetricSink,
        params: RlParams,
        ranks: Ranks,
    ) -> None:
        self._policy, self._reference, self._source = policy, reference, source
        self._params, self._ranks = params, ranks
        self._metrics = metrics if ranks.is_main else NullSink()

    def run(self, checkpoints: Checkpoints, progress: Progress, deepspeed: Mapping[str, Any]) -> dict[str, Tensor]:
        """Run the rounds that are left, told in `progress`; the weights that are kept, by the policy's own names."""
        params, ranks, policy = self._params, self._ranks, self._policy
        vocab_size = thinker_of(policy.model).config.text_config.vocab_size
        module = PolicyModule(policy.model, params, banned_token_ids(policy.processor, vocab_size))
        for row in progress.history:
            self._report(row)
        torch.manual_seed(params.seed + ranks.rank)
        with (
            policy_engine(module, _groups(policy, params), ranks, params.optimizer, params, deepspeed) as engine,
            rollout_engine(policy, params) as sampler,
            rollout_speaker(params) as speaker,
            progress_line(params.steps, progress.step, "rl", ranks.is_main) as line,
        ):
            if params.gradient_checkpointing:
                recompute_layers(policy.model)
            checkpoints.restore(engine)
            worker = RolloutWorker(sampler, policy.processor, _scorer(policy, params), speaker)
            rounds = Rounds(engine, self._source, worker, self._reference, params, ranks, speaker)
            dev = DevEvaluation(self._source, worker, params, ranks)
            for step in range(progress.step + 1, params.steps + 1):
                row = rounds.run(step)
                if dev.due(step):
                    row |= self._evaluate(dev, engine, step, progress)
                progress.step = step
                progress.history.append({"step": step, **row})
                guards.check(progress.history, params)
                self._report(progress.history[-1])
                line.advance("rl", {"reward": row["reward/total"], "right": row["reward/accuracy"]})
                if step % params.checkpoint_every == 0 or step == params.steps:
                    checkpoints.save(engine, progress)
            return progress.tensors or _own_names(engine.trainable_state())

    def _evaluate(self, dev: DevEvaluation, engine: PolicyEngine, step: int, progress: Progress) -> dict[str, float]:
        """Figures of the dev split; the best weights so far go to `progress` where they are to be kept."""
        with engine.gathered():
            figures = dev.run(self._policy.model)
        accuracies = {name: figures.get(f"eval/dev/{name}/accuracy") for name in SETTINGS.values()}
        known = {name: value for name, value in accuracies.items() if value is not None}
        logger.info("rl step %d, dev: %s", step, ", ".join(f"{name} {value:.3f}" for name, value in known.items()))
        if self._params.dev.keep == "best" and known:
            accuracy = next(iter(known.values()))
            if accuracy > progress.notes.get("best_accuracy", -1.0):
                progress.notes = {"best_accuracy": accuracy, "best_step": step}
                progress.tensors = _own_names(engine.trainable_state())
        return figures

    def _report(self, row: Mapping[str, Any]) -> None:
        self._metrics.log(int(row["step"]), {key: float(value) for key, value in row.items() if key != "step"})


def _starting_policy(sft_policy: ModelFolder, params: RlParams) -> Policy:
    """The SFT policy, with fresh adapters where these are trained."""
    policy = load_policy(sft_policy, params.precision)
    if params.adaptation == "full":
        return policy
    return Policy(add_lora(policy.model, params.lora, params.seed), policy.processor)


def _frozen(sft_policy: ModelFolder, params: RlParams, ranks: Ranks) -> Any:
    return load_policy(sft_policy, params.precision).model.requires_grad_(False).to(ranks.device)


def _groups(policy: Policy, params: RlParams) -> list[ParameterGroup]:
    """What is trained: the adapters, or the language model with its embeddings; never the audio tower."""
    decay = params.optimizer.weight_decay
    if params.adaptation == "lora":
        return adapter_group(policy.model, decay)
    return parameter_groups(parts_of(policy.model), ("embeddings", "text"), {}, decay)


def _scorer(policy: Policy, params: RlParams) -> Scorer:
    """The scorer of the reward; lengths are tokens of the policy's own tokenizer (section 4)."""
    tokenizer = policy.processor.tokenizer
    return Scorer(params.reward, lambda text: len(tokenizer(text, add_special_tokens=False)["input_ids"]))


def _own_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The names that the policy itself gives its weights, without the wrapper that computes the loss."""
    return {name.removeprefix("model."): tensor for name, tensor in state.items()}
