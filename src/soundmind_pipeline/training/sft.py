"""Supervised warm-up: the policy learns to hear and to reason as the (fallible) teacher does."""

import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.metrics import MetricSink, NullSink
from soundmind_pipeline.policy.adapters import add_lora
from soundmind_pipeline.policy.audio_tower import encode_audio
from soundmind_pipeline.policy.folder import ModelFolder, Policy, load_policy, save_policy
from soundmind_pipeline.policy.log_probs import completion_log_probs
from soundmind_pipeline.policy.recompute import recompute_layers
from soundmind_pipeline.policy.thinker import thinker_of
from soundmind_pipeline.training.checkpoints import Checkpoints, Progress
from soundmind_pipeline.training.ctc import ctc_losses, flat_start_losses
from soundmind_pipeline.training.engine import ParameterGroup, PolicyEngine, policy_engine
from soundmind_pipeline.training.fingerprint import fingerprint
from soundmind_pipeline.training.params import PhaseParams, SftParams
from soundmind_pipeline.training.parts import adapter_group, parameter_groups, parts_of
from soundmind_pipeline.training.progress import ProgressLine, progress_line
from soundmind_pipeline.training.ranks import Ranks, process_group
from soundmind_pipeline.training.rows import training_rows
from soundmind_pipeline.training.schedules import learning_rate
from soundmind_pipeline.training.sft_batches import LogMels, SftData, SftMicroBatch

logger = logging.getLogger(__name__)


class SftModule(nn.Module):
    """The loss of one micro-batch: answers given questions, and the spelling of what is heard.

    Args:
        policy: Model and processor.
        ctc_scale: See `ctc_losses`.
    """

    def __init__(self, policy: Policy, ctc_scale: float) -> None:
        super().__init__()
        self.model = policy.model
        self._blank = policy.processor.audio_token_id
        self._ctc_scale = ctc_scale

    def forward(self, batch: SftMicroBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted loss, and its unweighted sums: `answer` over tokens, `ctc` or `flat_start` over clips."""
        prompts, sums = batch.prompts, {}
        loss: Tensor | float = 0.0
        if batch.spoken:
            audio = encode_audio(self.model, [prompt.log_mel for prompt in prompts if prompt.log_mel is not None])
            prompts = tuple(prompt.with_audio_embeds(clip) for prompt, clip in zip(prompts, audio, strict=True))
            embeddings = thinker_of(self.model).get_input_embeddings().weight
            if batch.durations:
                spelling = flat_start_losses(audio, batch.spoken, batch.durations, embeddings, self._ctc_scale).sum()
            else:
                spelling = ctc_losses(audio, batch.spoken, embeddings, self._blank, self._ctc_scale).sum()
            loss, sums[batch.spelling] = loss + batch.ctc_weight * spelling, spelling.detach()
        if batch.answers:
            # One answer a prompt: there is no prefix to share.
            nll = -completion_log_probs(self.model, prompts, batch.answers, share_prefix=False).log_probs.sum()
            loss, sums["answer"] = loss + batch.answer_weight * nll, nll.detach()
        assert isinstance(loss, Tensor)
        return loss, sums


def train_sft(
    policy_init: ModelFolder,
    index: pd.DataFrame,
    log_mels: LogMels,
    work: Path,
    metrics: MetricSink,
    params: SftParams,
    deepspeed: Mapping[str, Any],
) -> tuple[ModelFolder, pd.DataFrame]:
    """Train a policy through the phases of `params`; killed at any moment, the same call continues to the same bits.

    Args:
        policy_init: The policy to start from.
        index: The feature index; its train split is learnt, but for rows without a verdict and those left out.
        log_mels: uid → float32 `[frames, 128]`.
        work: Folder for checkpoints (removed at the end) and the export.
        metrics: Gets each step's metrics as they come; after a resumption the steps done before are told again.
        params: The curriculum.
        deepspeed: The parsed DeepSpeed file.

    Returns:
        The trained policy as a Hugging Face folder under `work` (adapters merged in), and the history: one row a step
        with `step`, `phase` and the metrics.

    Raises:
        SoundmindError: The data or the DeepSpeed file do not fit, or the loss is no number any more.
    """
    index = training_rows(index, params, imitates=True)
    with process_group(params.threads) as ranks:
        identity = fingerprint(params, policy_init.path, index, ranks.world_size, deepspeed)
        checkpoints = Checkpoints(work / "checkpoints", ranks, identity)
        trainer = _SftTrainer(policy_init, index, log_mels, metrics, params, deepspeed, ranks, checkpoints)
        state, history = trainer.run()
        if ranks.is_main:
            _export(policy_init, state, params, work / "export")
        ranks.barrier()
        checkpoints.remove()
    return ModelFolder(work / "export"), pd.DataFrame(history)


class _SftTrainer:
    def __init__(
        self,
        policy_init: ModelFolder,
        index: pd.DataFrame,
        log_mels: LogMels,
        metrics: MetricSink,
        params: SftParams,
        deepspeed: Mapping[str, Any],
        ranks: Ranks,
        checkpoints: Checkpoints,
    ) -> None:
        self._policy_init, self._params, self._deepspeed = policy_init, params, deepspeed
        self._ranks, self._checkpoints = ranks, checkpoints
        self._metrics = metrics if ranks.is_main else NullSink()
        self._index, self._log_mels = index, log_mels

    def run(self) -> tuple[dict[str, Tensor], list[dict[str, Any]]]:
        """All phases that are left; the final weights by name, and the history."""
        phases = self._params.phases
        progress = self._checkpoints.find(self._params.resume)
        for row in progress.history:
            self._report(row)
        torch.manual_seed(self._params.seed)
        total = sum(phase.steps for phase in phases)
        with progress_line(total, progress.step, "sft", self._ranks.is_main) as line:
            for phase in range(progress.phase, len(phases)):
                progress.phase = phase
                progress.tensors |= self._run_phase(progress, line)
        return progress.tensors, progress.history

    def _run_phase(self, progress: Progress, line: ProgressLine) -> dict[str, Tensor]:
        """One phase from the upstream weights and what earlier phases trained; the weights that it trained."""
        params, phase = self._params, self._params.phases[progress.phase]
        policy = _starting_policy(self._policy_init, params)
        module = SftModule(policy, params.ctc_scale)
        _take_over(module, progress.tensors)
        data = SftData(self._index, self._log_mels, policy.processor, params)
        samplers = data.samplers(progress.phase)
        before = sum(earlier.steps for earlier in params.phases[: progress.phase])
        groups = _groups(policy, phase, params)
        with policy_engine(module, groups, self._ranks, params.optimizer, params, self._deepspeed) as engine:
            if params.gradient_checkpointing:
                recompute_layers(module.model)
            self._checkpoints.restore(engine)
            for step in range(progress.step - before + 1, phase.steps + 1):
                started = time.perf_counter()
                batches = data.micro_batches(phase, samplers, step, self._ranks)
                figures = self._step(engine, batches, learning_rate(phase.schedule, step, phase.steps))
                figures["sft/seconds"] = time.perf_counter() - started
                progress.step = before + step
                row = {"step": progress.step, "phase": phase.name, **figures}
                progress.history.append(row)
                self._report(row)
                line.advance(
                    f"sft {phase.name}", {key: figures[key] for key in ("sft/loss", "sft/ctc") if key in figures}
                )
                if progress.step % params.checkpoint_every == 0 or step == phase.steps:
                    self._checkpoints.save(engine, progress)
            logger.info("%s: %s", phase.name, _summary(progress.history[-1]))
            return engine.trainable_state()

    def _step(self, engine: PolicyEngine, batches: list[SftMicroBatch], lr: float) -> dict[str, float]:
        """One optimisation step; its metrics over all ranks."""
        engine.module.train()
        loss = 0.0
        sums = dict.fromkeys(
            ("ctc", "ctc_clips", "flat_start", "flat_start_clips", "audio", "audio_tokens", "text", "text_tokens"), 0.0
        )
        for batch in batches:
            value, parts = engine.accumulate(batch)
            loss += value
            kind = "audio" if batch.prompts[0].log_mel is not None else "text"
            if batch.ctc_weight:
                sums[batch.spelling] += float(parts[batch.spelling])
                sums[f"{batch.spelling}_clips"] += len(batch.prompts)
            if batch.answer_weight:
                sums[kind] += float(parts["answer"])
                sums[f"{kind}_tokens"] += sum(len(answer) for answer in batch.answers)
        loss, *values = self._ranks.totals([loss, *sums.values()])
        if loss != loss or loss in (float("inf"), float("-inf")):
            raise SoundmindError("The SFT loss is no number any more.", "Lower the learning rates under sft.phases.")
        norm = engine.update(lr)
        total = dict(zip(sums, values, strict=True))
        row = {"sft/loss": loss}
        for name, part, count in (
            ("sft/ctc", "ctc", "ctc_clips"),
            ("sft/flat_start", "flat_start", "flat_start_clips"),
            ("sft/loss_audio", "audio", "audio_tokens"),
            ("sft/loss_text", "text", "text_tokens"),
        ):
            if total[count]:
                row[name] = total[part] / total[count]
        return row | {"sft/grad_norm": norm, "sft/lr": lr}

    def _report(self, row: Mapping[str, Any]) -> None:
        self._metrics.log(int(row["step"]), {key: float(value) for key, value in row.items() if "/" in key})


def _summary(row: Mapping[str, Any]) -> str:
    figures = [f"{key} {row[key]:.3f}" for key in ("sft/loss_audio", "sft/loss_text", "sft/ctc") if key in row]
    return ", ".join([f"step {row['step']}", *figures])


def _export(policy_init: ModelFolder, state: Mapping[str, Tensor], params: SftParams, folder: Path) -> None:
    policy = _starting_policy(policy_init, params)
    _take_over(SftModule(policy, params.ctc_scale), state)
    if params.adaptation == "lora":
        policy = Policy(policy.model.merge_and_unload(), policy.processor)
    save_policy(policy, folder)


def _starting_policy(folder: ModelFolder, params: SftParams) -> Policy:
    """The upstream policy, with fresh adapters where these are trained."""
    policy = load_policy(folder, params.precision)
    if params.adaptation == "full":
        return policy
    return Policy(add_lora(policy.model, params.lora, params.seed), policy.processor)


def _take_over(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Give the module the trained tensors, each of which it must know."""
    unknown = module.load_state_dict(dict(state), strict=False).unexpected_keys
    if unknown:
        raise RuntimeError(f"trained tensors that the policy does not have: {unknown[:5]}")


def _groups(policy: Policy, phase: PhaseParams, params: SftParams) -> list[ParameterGroup]:
    """What the phase trains: with adapters, these stand for the text part."""
    parts, decay = parts_of(policy.model), params.optimizer.weight_decay
    if params.adaptation == "full":
        return parameter_groups(parts, phase.train, phase.lr_scale, decay)
    others = tuple(part for part in phase.train if part != "text")
    adapters = adapter_group(policy.model, decay, phase.lr_scale.get("text", 1.0)) if "text" in phase.train else []
    return [*parameter_groups(parts, others, phase.lr_scale, decay), *adapters]
