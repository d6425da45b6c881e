"""Parameters of the evaluation stage."""

from typing import Literal

from pydantic import Field, PositiveInt

from soundmind_pipeline.params import Params

Control = Literal["silence", "shuffled"]


class EvaluationParams(Params):
    """How held-out problems are answered, compared and reported."""

    split: Literal["dev", "test"] = "test"
    """Problems to answer; `test` is held out from every choice, so read it once per reported run."""
    max_problems: PositiveInt | None = None
    """Answer only the first so many problems of the split; null answers all of them."""
    exclude_label_conflicts: bool = False
    """Leave out problems whose own reference contradicts their label."""
    exclude_leaks: bool = False
    """Leave out problems whose leak group stands in another split too."""
    controls: tuple[Control, ...] = ("silence", "shuffled")
    """Audio controls of the final policy: `silence` of the same length, `shuffled` = another problem's audio."""
    max_new_tokens: PositiveInt = 96
    """Longest answer in tokens; a longer one is cut and counts as badly formed."""
    batch_rows: PositiveInt = 128
    """Questions answered at once: more is faster and takes more memory."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Precision in which the policies answer."""
    threads: PositiveInt | None = None
    """CPU threads; null leaves the choice to PyTorch."""
    bootstrap_samples: int = Field(default=10_000, ge=100)
    """Bootstrap samples behind the interval of a paired difference."""
    seed: int = 0
    """Seed of the audio shuffle and of the bootstrap."""
    report_examples: int = Field(default=8, ge=0, le=64)
    """Spoken problems shown in the report with their answers before and after RL."""
