"""The two sides of `step_vs_trl.py`: a process that sets one of them up and runs a round whenever it is told to."""

import ctypes
import gc
import itertools
import json
import os
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

LORA_TARGET = r".*layers\.\d+\.(self_attn\.(q|k|v|o)_proj|mlp\.(gate|up|down)_proj)"
LEARNING_RATE = 1e-4
KL_BETA = 0.04
CORPUS = 400  # problems whose texts train the tokenizer


@dataclass(frozen=True)
class Case:
    """What one comparison is made on."""

    prompts: int
    """Prompts a round."""
    problems: int
    """Verified problems that a prompt puts one after the other."""
    micro_prompts: int
    """Prompts whose completions make one forward and backward pass."""
    minibatches: int = 1
    """Optimisation steps a round."""
    hidden: int = 128
    """Width of the language model."""
    ffn: int = 384
    """Width of its feed-forward blocks."""
    samples: int = 8
    """Completions a prompt."""
    new_tokens: int = 96
    """Tokens of each completion."""
    threads: int = 1
    """CPU threads of each side."""


class Stopwatch:
    """Starts a round when the parent process says so, and tells it what the round took.

    Args:
        commands: Gives a line for each round to run, and ends when there are no more.
        answers: Takes a line when a side is ready, and one a round.
    """

    def __init__(self, commands: Any, answers: Any) -> None:
        self._commands, self._answers = commands, answers
        self._resident = 0

    def begin(self) -> None:
        """Wait for the parent; the clocks run from here. Ends the process when the parent has had enough."""
        self._tell({"ready": True})
        if not self._commands.readline():
            sys.exit(0)
        if not self._resident:
            self._resident = reset_peak()
        self._wall, self._cpu = time.perf_counter(), time.process_time()

    def end(self, length: float) -> None:
        """The round is over; `length` is the mean length of its completions."""
        row = {"cpu": time.process_time() - self._cpu, "wall": time.perf_counter() - self._wall, "length": length}
        self._tell(row | {"growth": (status_bytes("VmHWM") - self._resident) / 2**20})

    def _tell(self, row: dict[str, Any]) -> None:
        self._answers.write(json.dumps(row) + "\n")
        self._answers.flush()


def status_bytes(name: str) -> int:
    """A figure of /proc/self/status, such as VmRSS, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"/proc/self/status tells no {name}")


def reset_peak() -> int:
    """Hand freed memory back, forget the peak of resident memory, and return the resident bytes."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")
    return status_bytes("VmRSS")


def make_questions(case: Case) -> tuple[Any, list[str]]:
    """The questions of a round, as the feature index has them, and the texts that the tokenizer is trained on."""
    from soundmind_pipeline.problems.params import SplitCounts, VerifiedParams
    from soundmind_pipeline.problems.verified.generate import generate_samples
    from soundmind_pipeline.training.params import INSTRUCTION

    frame = generate_samples(VerifiedParams(counts=SplitCounts(train=CORPUS, dev=1, test=1)))[:CORPUS]
    questions = frame[: case.prompts].copy()
    parts = frame["user_content"][: case.prompts * case.problems].tolist()
    questions["user_content"] = [" ".join(parts[row :: case.prompts]) for row in range(case.prompts)]
    return questions, [*frame["user_content"], *frame["reference_answer"], INSTRUCTION]


def make_policy(case: Case, texts: list[str]) -> tuple[Any, Any]:
    """A Thinker with random weights, and a processor whose end of turn is a token that it has no weights for."""
    from soundmind_pipeline.policy.nano import build_processor, build_thinker
    from soundmind_pipeline.policy.params import NanoPolicyParams, TokenizerParams

    processor = build_processor(texts, TokenizerParams())
    model = build_thinker(NanoPolicyParams(hidden_dim=case.hidden, ffn_dim=case.ffn), processor, seed=0)
    processor.tokenizer.add_special_tokens({"eos_token": "<|never|>"})
    return model.eval(), processor


def make_prompts(case: Case, processor: Any, questions: Any) -> list[tuple[int, ...]]:
    """Token ids of the prompts of a round."""
    from soundmind_pipeline.policy.prompts import PromptEncoder
    from soundmind_pipeline.training.params import INSTRUCTION

    encoder = PromptEncoder(processor, INSTRUCTION)
    return [encoder.encode(text, None, "text").token_ids for text in questions["user_content"]]


def as_qwen2(thinker: Any) -> Any:
    """The language model of a Thinker as a `Qwen2ForCausalLM` with the same weights."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    text = thinker.config.text_config
    config = Qwen2Config(
        vocab_size=text.vocab_size,
        hidden_size=text.hidden_size,
        intermediate_size=text.intermediate_size,
        num_hidden_layers=text.num_hidden_layers,
        num_attention_heads=text.num_attention_heads,
        num_key_value_heads=text.num_key_value_heads,
        max_position_embeddings=text.max_position_embeddings,
        rms_norm_eps=text.rms_norm_eps,
        rope_parameters={"rope_type": "default", "rope_theta": text.rope_parameters["rope_theta"]},
        tie_word_embeddings=text.tie_word_embeddings,
        pad_token_id=text.pad_token_id,
    )
    model = Qwen2ForCausalLM(config)
    model.model.load_state_dict(thinker.model.language_model.state_dict())
    model.lm_head.load_state_dict(thinker.lm_head.state_dict())
    return model.eval()


def make_scorer(tokenizer: Any) -> Any:
    """The reward of both sides: random weights never write the format, so length is paid without it."""
    from soundmind_pipeline.rewards.params import RewardParams, ShapingParams
    from soundmind_pipeline.rewards.scorer import Scorer

    params = RewardParams(shaping=ShapingParams(length_without_format=True))
    return Scorer(params, lambda text: len(tokenizer(text, add_special_tokens=False)["input_ids"]))


def our_params(case: Case, longest: int) -> Any:
    """The job as SoundMind-RL is told it; `longest` prompt in tokens."""
    from soundmind_pipeline.policy.params import SamplingParams
    from soundmind_pipeline.training.params import RlParams, ScheduleParams
    from soundmind_pipeline.training.reinforce.params import AlgorithmParams

    return RlParams(
        algorithm=AlgorithmParams(name="grpo", kl_beta=KL_BETA),
        sampling=SamplingParams(n=case.samples, max_new_tokens=case.new_tokens),
        prompts_per_step=case.prompts,
        audio_share=0.0,
        schedule=ScheduleParams(lr=LEARNING_RATE, warmup_steps=0, decay="constant"),
        minibatches=case.minibatches,
        micro_batch_tokens=case.micro_prompts * (longest + case.samples * case.new_tokens),
        threads=case.threads,
    )


def run_ours(case: Case, watch: Stopwatch) -> None:
    """Rounds as `train_rl` runs them, on written questions."""
    from soundmind_pipeline.policy.adapters import add_lora
    from soundmind_pipeline.policy.processor import banned_token_ids
    from soundmind_pipeline.policy.prompts import PromptEncoder
    from soundmind_pipeline.policy.rollout.engine import SharedPrefixEngine
    from soundmind_pipeline.training.engine import policy_engine
    from soundmind_pipeline.training.parts import adapter_group
    from soundmind_pipeline.training.ranks import process_group
    from soundmind_pipeline.training.reinforce.experience import Reference
    from soundmind_pipeline.training.reinforce.prompts import QuestionSource
    from soundmind_pipeline.training.reinforce.rollouts import RolloutWorker
    from soundmind_pipeline.training.reinforce.rounds import Rounds
    from soundmind_pipeline.training.reinforce.update import PolicyModule

    config = json.loads((Path(__file__).parents[1] / "conf" / "base" / "deepspeed" / "zero2.json").read_text())
    questions, texts = make_questions(case)
    thinker, processor = make_policy(case, texts)
    params = our_params(case, max(map(len, make_prompts(case, processor, questions))))
    with process_group(params.threads) as ranks:
        model = add_lora(thinker, params.lora)
        source = QuestionSource(questions, {}, PromptEncoder(processor, params.instruction), params, ranks)
        module = PolicyModule(model, params, banned_token_ids(processor, thinker.config.text_config.vocab_size))
        worker = RolloutWorker(SharedPrefixEngine(model, processor), processor, make_scorer(processor.tokenizer))
        groups = adapter_group(model, params.optimizer.weight_decay)
        with policy_engine(module, groups, ranks, params.optimizer, params, config) as engine:
            rounds = Rounds(engine, source, worker, Reference(model), params, ranks)
            for step in itertools.count(1):
                watch.begin()
                watch.end(rounds.run(step)["rollout/length"])


def trl_arguments(case: Case, folder: str, checkpointing: bool) -> dict[str, Any]:
    """The job as GRPOConfig is told it."""
    optimizer = our_params(case, 0).optimizer
    micro_batches = case.prompts // case.micro_prompts
    return {
        "output_dir": folder,
        "max_steps": 1_000_000,
        "per_device_train_batch_size": case.micro_prompts * case.samples,
        "gradient_accumulation_steps": micro_batches // case.minibatches,
        "steps_per_generation": micro_batches,
        "num_generations": case.samples,
        "max_completion_length": case.new_tokens,
        "loss_type": "grpo",
        "beta": KL_BETA,
        "learning_rate": LEARNING_RATE,
        "lr_scheduler_type": "constant",
        "adam_beta1": optimizer.betas[0],
        "adam_beta2": optimizer.betas[1],
        "max_grad_norm": optimizer.max_grad_norm,
        "weight_decay": optimizer.weight_decay,
        "gradient_checkpointing": checkpointing,
        "bf16": False,
        "use_cpu": True,
        "shuffle_dataset": False,
        "report_to": "none",
        "logging_strategy": "no",
        "save_strategy": "no",
        "disable_tqdm": True,
        "dataloader_pin_memory": False,
    }


def run_trl(case: Case, watch: Stopwatch, checkpointing: bool) -> None:
    """Rounds of TRL's GRPOTrainer."""
    from peft import LoraConfig
    from transformers import TrainerCallback
    from trl import GRPOConfig, GRPOTrainer

    from datasets import Dataset

    questions, texts = make_questions(case)
    thinker, processor = make_policy(case, texts)
    model, tokenizer, lora = as_qwen2(thinker), processor.tokenizer, our_params(case, 0).lora
    del thinker
    scorer = make_scorer(tokenizer)

    def reward(completions: list[str], label: list[int], reference: list[str], **_: Any) -> list[float]:
        rows = zip(completions, label, reference, strict=True)
        return [scorer.score(text.strip(), right, annotated).total for text, right, annotated in rows]

    class Rounds(TrainerCallback):
        def on_step_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step % case.minibatches == 0:
                watch.begin()

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if state.global_step % case.minibatches == 0:
                watch.end(trainer._metrics["train"]["completions/mean_length"][-1])

    prompts = [tokenizer.decode(token_ids) for token_ids in make_prompts(case, processor, questions)]
    columns = {"prompt": prompts, "label": list(questions["label"]), "reference": list(questions["reference_answer"])}
    with tempfile.TemporaryDirectory() as folder:
        trainer = GRPOTrainer(
            model=model,
            reward_funcs=reward,
            args=GRPOConfig(**trl_arguments(case, folder, checkpointing)),
            train_dataset=Dataset.from_dict(columns),
            processing_class=tokenizer,
            peft_config=LoraConfig(r=lora.rank, lora_alpha=lora.alpha, target_modules=LORA_TARGET, bias="none"),
            callbacks=[Rounds()],
        )
        trainer.train()


def serve(side: str, case: Case) -> None:
    """Be one side: set up, then run a round for each line on standard input."""
    import torch
    import transformers

    torch.set_num_threads(case.threads)
    transformers.logging.set_verbosity_error()
    # What libraries print must not get between the answers.
    watch = Stopwatch(sys.stdin, os.fdopen(os.dup(1), "w"))
    os.dup2(2, 1)
    if side == "ours":
        run_ours(case, watch)
    else:
        run_trl(case, watch, checkpointing=side == "trl_checkpointing")


if __name__ == "__main__":
    serve(sys.argv[1], Case(**json.loads(sys.argv[2])))
