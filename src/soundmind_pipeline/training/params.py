"""Parameters of supervised warm-up and reinforcement learning."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from soundmind_pipeline.params import Params
from soundmind_pipeline.policy.params import LoraParams, NanoPolicyParams, SamplingParams, VllmParams
from soundmind_pipeline.rewards.params import RewardParams
from soundmind_pipeline.training.launcher.params import LauncherParams
from soundmind_pipeline.training.reinforce.params import AlgorithmParams
from soundmind_pipeline.training.reinforce.spoken_params import SpokenRolloutParams

Part = Literal["audio_tower", "embeddings", "text"]
INSTRUCTION = "does it follow?"


class OptimizerParams(Params):
    """AdamW and the bounds of its steps."""

    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]] = (0.9, 0.98)
    """Decay rates of the running means of the gradient and of its square."""

    eps: float = Field(default=1e-8, gt=0)
    """Added to the denominator of the update."""

    weight_decay: float = Field(default=0.01, ge=0)
    """Decoupled weight decay; vectors (norms, biases) are not decayed."""

    max_grad_norm: float = Field(default=1.0, ge=0)
    """The gradient of all parameters together is scaled down to this norm; 0 switches clipping off."""


class ScheduleParams(Params):
    """Learning rate over the steps: linear warm-up, then a cosine down to a floor, or constant."""

    lr: float = Field(gt=0)
    """Learning rate at the end of the warm-up."""

    warmup_steps: int = Field(default=20, ge=0)
    """Steps over which the rate rises from near 0."""

    decay: Literal["cosine", "constant"] = "cosine"
    """What the rate does afterwards."""

    floor: float = Field(default=0.05, ge=0, le=1)
    """The rate at the last step of a cosine, as a share of `lr`."""


class TrainingParams(Params):
    """What every training stage has: engine, seed, resumption."""

    deepspeed: str = "zero2"
    """Name of a DeepSpeed file in conf/<environment>/deepspeed, without .json."""

    precision: Literal["float32", "bfloat16"] = "float32"
    """Number format of the weights in forward and backward passes."""

    threads: int = Field(default=2, ge=1)
    """CPU threads of each process; the same number gives the same bits."""

    seed: int = Field(default=0, ge=0)
    """Seed of initial weights, data order and sampling."""

    resume: bool = True
    """Continue from the newest complete checkpoint of the same job; false starts anew."""

    checkpoint_every: int = Field(default=25, ge=1)
    """Steps between checkpoints; the two newest are kept until the stage is done."""

    micro_batch_tokens: int = Field(default=16_384, ge=1)
    """Longest row x rows of one forward and backward pass; less memory and more passes when smaller."""

    instruction: str = INSTRUCTION
    """What is asked about the question in every prompt; the same in every stage."""

    exclude_label_conflicts: bool = False
    """Leave out the train rows whose own reference contradicts their label: all that a fallible teacher got wrong."""

    exclude_leaks: bool = False
    """Leave out the train rows whose leak group stands in dev or test too."""

    optimizer: OptimizerParams = OptimizerParams()
    """AdamW."""

    gradient_checkpointing: bool = False
    """Keep only the inputs of the language model's layers and compute these anew in the backward pass: a third slower,
    a fraction of the memory. Every completion then carries its own prompt."""

    launcher: LauncherParams = LauncherParams()
    """How many processes train, and how they are started."""


class PhaseParams(Params):
    """One phase of the curriculum; it starts with a fresh optimizer."""

    name: str = Field(min_length=1)
    """What the phase is called in logs."""

    steps: int = Field(ge=1)
    """Optimisation steps."""

    train: tuple[Part, ...] = Field(min_length=1)
    """Parts that learn; the others are frozen."""

    schedule: ScheduleParams
    """Learning rate of the phase."""

    lr_scale: dict[Part, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    """Multiplies the learning rate of single parts."""

    audio_rows: int = Field(default=0, ge=0)
    """Spoken questions a step, over all ranks."""

    text_rows: int = Field(default=0, ge=0)
    """Written questions a step, over all ranks."""

    answer_weight: float = Field(default=1.0, ge=0)
    """Weight of the answer's loss given the spoken question; 0 leaves the language model out of the spoken rows."""

    ctc_weight: float = Field(default=0.0, ge=0)
    """Weight of spelling the spoken question (CTC) through the token embeddings."""

    flat_start_steps: int = Field(default=0, ge=0)
    """First steps of the phase in which a guessed alignment takes the place of the CTC (see `flat_start_losses`)."""

    @model_validator(mode="after")
    def _something_to_learn(self) -> Self:
        if not self.audio_rows + self.text_rows:
            raise ValueError(f"phase {self.name} has neither audio_rows nor text_rows")
        if self.audio_rows and not self.answer_weight + self.ctc_weight:
            raise ValueError(f"phase {self.name} has audio_rows but neither answer_weight nor ctc_weight")
        return self


def _curriculum() -> tuple[PhaseParams, ...]:
    """Hear first, reason second, both together last: all at once from the start was never learned at nano size."""
    return (
        PhaseParams(
            name="hear",
            steps=200,
            train=("audio_tower", "embeddings"),
            schedule=ScheduleParams(lr=3e-3),
            audio_rows=16,
            answer_weight=0.0,
            ctc_weight=1.0,
            flat_start_steps=40,
        ),
        PhaseParams(
            name="reason",
            steps=250,
            train=("embeddings", "text"),
            schedule=ScheduleParams(lr=3e-3),
            # The audio tower has learned to aim at the embeddings: they must not run away from it.
            lr_scale={"embeddings": 0.3},
            text_rows=32,
        ),
        PhaseParams(
            name="joint",
            steps=250,
            train=("audio_tower", "embeddings", "text"),
            schedule=ScheduleParams(lr=3e-3),
            audio_rows=16,
            text_rows=16,
            ctc_weight=1.0,
        ),
    )


class SftParams(TrainingParams):
    """Supervised warm-up: the policy learns to hear, and to answer as the reference does."""

    model: NanoPolicyParams = NanoPolicyParams(audio_window=250)
    """Dimensions of the nano policy that is built when `base` is null."""

    base: str | None = None
    """Hub id or folder of the policy to start from instead, such as Qwen/Qwen2.5-Omni-7B."""

    phases: tuple[PhaseParams, ...] = Field(default_factory=_curriculum, min_length=1)
    """The curriculum, in order."""

    adaptation: Literal["full", "lora"] = "full"
    """Train the text part itself, or adapters in its place, which are merged into the policy at the end."""

    lora: LoraParams = LoraParams(alpha=16.0)
    """The adapters."""

    ctc_scale: float = Field(default=12.0, gt=0)
    """Multiplies the cosines between audio embeddings and token embeddings before the softmax of the CTC."""


class GuardParams(Params):
    """What counts as a derailed run, and what is done about it."""

    action: Literal["warn", "stop"] = "warn"
    """Whether a guard writes one warning or ends the run; NaN always ends it."""

    max_kl: float = Field(default=10.0, gt=0)
    """KL to the SFT policy per token, in nats, above which the policy has left it."""

    min_reward_share: float = Field(default=0.25, ge=0, le=1)
    """Mean reward, as a share of the best mean so far, below which the reward has collapsed."""

    max_tied_groups: float = Field(default=0.95, gt=0, le=1)
    """Share of prompts whose samples all earned the same, above which a step teaches nothing."""

    patience: int = Field(default=5, ge=1)
    """Steps in a row before a guard speaks."""


class DevParams(Params):
    """Greedy evaluation on dev problems while training."""

    every: int = Field(default=10, ge=0)
    """Steps between evaluations, the last step included; 0 switches them off."""

    problems: int = Field(default=100, ge=1)
    """How many dev problems, the first of the split."""

    keep: Literal["last", "best"] = "last"
    """Which weights the stage ends with: the last ones, or those most accurate on spoken dev problems."""


class RlParams(TrainingParams):
    """SoundMind-RL: REINFORCE++ (or a relative) with the rule-based reward, from the SFT policy."""

    algorithm: AlgorithmParams = AlgorithmParams(kl_beta=0.003)
    """The objective."""

    reward: RewardParams = RewardParams()
    """The scorer."""

    spoken: SpokenRolloutParams = SpokenRolloutParams()
    """Speech of the rollouts, which the audio terms of the reward are earned by."""

    sampling: SamplingParams = SamplingParams(n=8, max_new_tokens=96)
    """Rollouts; `n` samples a prompt. Top-k and top-p stay off: the trainer's log-probabilities know neither."""

    rollout_engine: Literal["shared_prefix", "vllm"] = "shared_prefix"
    """What samples: our own engine, or vLLM, which needs a CUDA GPU, its own installation and `adaptation: lora`."""

    rollout_cache_gb: float = Field(default=1.0, gt=0)
    """Keys and values that the shared_prefix engine may hold, in 10⁹ bytes; more samples more prompts at one time."""

    vllm: VllmParams = VllmParams()
    """Limits of the vllm engine."""

    steps: int = Field(default=20, ge=1)
    """Rounds of rollout and update."""

    prompts_per_step: int = Field(default=16, ge=1)
    """Prompts a round, over all ranks."""

    audio_share: float = Field(default=0.5, ge=0, le=1)
    """Share of the prompts that are heard; the rest are read."""

    adaptation: Literal["lora", "full"] = "lora"
    """Train adapters on the language model, or the language model itself; the audio tower stays frozen."""

    lora: LoraParams = LoraParams(alpha=16.0)
    """The adapters."""

    schedule: ScheduleParams = ScheduleParams(lr=2e-3, warmup_steps=3, floor=0.1)
    """Learning rate over the rounds."""

    epochs: int = Field(default=1, ge=1)
    """Passes over the samples of a round."""

    checkpoint_every: int = Field(default=5, ge=1)
    """Rounds between checkpoints; the two newest are kept until the stage is done."""

    micro_batch_tokens: int = Field(default=4096, ge=1)
    """Tokens of one forward and backward pass, a prompt counted once for all its samples (or once a sample with
    `gradient_checkpointing`); smaller ones take less memory."""

    minibatches: int = Field(default=2, ge=1)
    """Optimisation steps a pass; the prompts are divided among them."""

    max_resampling: int = Field(default=4, ge=1)
    """With dynamic sampling: how often at most a round samples further prompts in place of tied groups."""

    dev: DevParams = DevParams()
    """Evaluation while training."""

    guards: GuardParams = GuardParams()
    """When to warn or stop."""

    optimizer: OptimizerParams = OptimizerParams(betas=(0.9, 0.95), weight_decay=0.0)
    """AdamW."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.algorithm.needs_groups and self.sampling.n < 2:
            raise ValueError(f"{self.algorithm.name} compares samples of one prompt: sampling.n must be at least 2")
        if self.sampling.temperature <= 0:
            raise ValueError("sampling.temperature must be above 0: greedy samples are all the same")
        if self.sampling.top_k or self.sampling.top_p < 1:
            raise ValueError(
                "sampling.top_k and top_p must be off in RL: the trainer scores under the whole distribution"
            )
        if self.rollout_engine == "vllm" and self.adaptation != "lora":
            raise ValueError("rollout_engine: vllm needs adaptation: lora, for it reads only adapters anew")
        if self.minibatches > self.prompts_per_step:
            raise ValueError("minibatches must not exceed prompts_per_step")
        return self

    @property
    def speaks(self) -> bool:
        """Whether rollouts are spoken: it is switched on, and speech earns something."""
        weights = self.reward.weights
        return self.spoken.enabled and weights.format_audio + weights.length_audio > 0
