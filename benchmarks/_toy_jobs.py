"""Small SFT and RL jobs on the toy problem of the tests: seconds each, with every kind of moment in them."""

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from soundmind_pipeline.metrics import ListSink
from soundmind_pipeline.policy.folder import ModelFolder, Policy, save_policy
from soundmind_pipeline.policy.nano import build_processor, build_thinker
from soundmind_pipeline.policy.params import LoraParams, NanoPolicyParams, SamplingParams, TokenizerParams
from soundmind_pipeline.training.params import DevParams, PhaseParams, RlParams, ScheduleParams, SftParams
from soundmind_pipeline.training.sft import train_sft

TESTS = Path(__file__).parents[1] / "tests" / "training"
SCHEDULE = ScheduleParams(lr=5e-3, warmup_steps=2)
PHASES = (
    PhaseParams(name="hear", steps=6, train=("audio_tower", "embeddings"), schedule=SCHEDULE, audio_rows=6,
                answer_weight=0.0, ctc_weight=1.0),
    PhaseParams(name="joint", steps=6, train=("audio_tower", "embeddings", "text"), schedule=SCHEDULE, audio_rows=5,
                text_rows=3, ctc_weight=0.5),
)  # fmt: skip
SFT = SftParams(phases=PHASES, threads=1, checkpoint_every=2, micro_batch_tokens=70)
RL = RlParams(
    threads=1,
    steps=8,
    prompts_per_step=4,
    sampling=SamplingParams(n=4, max_new_tokens=12),
    lora=LoraParams(rank=4, alpha=8.0),
    schedule=ScheduleParams(lr=1e-2, warmup_steps=2),
    checkpoint_every=2,
    micro_batch_tokens=120,
    dev=DevParams(every=3, problems=4, keep="best"),
)
WARM_UP = PhaseParams(
    name="read", steps=60, train=("embeddings", "text"), text_rows=12, schedule=ScheduleParams(lr=2e-2, warmup_steps=5)
)
DIMENSIONS = NanoPolicyParams(
    audio_dim=32, audio_layers=1, audio_heads=2, audio_ffn_dim=64, hidden_dim=32, layers=2, ffn_dim=64
)


def toy_problem() -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """The feature index and the log-mels of the tests' toy problem."""
    index: tuple[pd.DataFrame, dict[str, np.ndarray]] = runpy.run_path(str(TESTS / "conftest.py"))["toy_index"]()
    return index


def toy_policy(folder: Path) -> ModelFolder:
    """A policy of some 60,000 weights that keeps the answers' form and hardly knows their content: RL has to learn."""
    index, log_mels = toy_problem()
    texts = [*index["user_content"], *index["reference_answer"], SFT.instruction]
    processor = build_processor(texts, TokenizerParams(vocab_size=400, min_frequency=1))
    random = save_policy(Policy(build_thinker(DIMENSIONS, processor, seed=0), processor), folder / "random")
    params = SftParams(phases=(WARM_UP,), threads=1, checkpoint_every=1000)
    warm, _ = train_sft(random, index, log_mels, folder / "work", ListSink(), params, deepspeed_of(0))
    return warm


def deepspeed_of(stage: int) -> dict[str, Any]:
    """A DeepSpeed file of one ZeRO stage."""
    return {"gradient_clipping": "auto", "zero_optimization": {"stage": stage}}
