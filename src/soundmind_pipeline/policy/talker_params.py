"""Parameters of Qwen2.5-Omni's own voice."""

from typing import Literal

from pydantic import Field

from soundmind_pipeline.params import Params


class TalkerParams(Params):
    """How the talker and token2wav of a full Qwen2.5-Omni checkpoint speak given texts."""

    model: str = "Qwen/Qwen2.5-Omni-7B"
    """Folder or hub id of a checkpoint with thinker, talker, token2wav and the voices of `spk_dict.pt`."""

    speaker: str = "Chelsie"
    """Name of the voice; the 7B has Chelsie and Ethan."""

    adapter: str | None = None
    """Folder of a policy, such as the one after RL: its thinker replaces the checkpoint's own, which null keeps."""

    instruction: str = Field(default="Read this text aloud, word for word.", min_length=1)
    """The user's turn in front of the text, which the thinker is then made to answer with the text itself."""

    device: Literal["cpu", "cuda"] = "cpu"
    """Where the model runs; the 7B wants a GPU."""

    dtype: Literal["float32", "bfloat16", "float16"] = "bfloat16"
    """Type of the weights of thinker and talker; token2wav always computes in float32."""

    do_sample: bool = True
    """Whether speech tokens are drawn; false takes the most likely one each time."""

    temperature: float = Field(default=0.9, gt=0)
    """Divides the talker's logits."""

    top_k: int = Field(default=40, ge=0)
    """Draw among the k most likely speech tokens only; 0 keeps all."""

    top_p: float = Field(default=0.8, gt=0, le=1)
    """Draw among the fewest most likely speech tokens whose probabilities add up to at least p; 1 keeps all."""

    repetition_penalty: float = Field(default=1.05, gt=0)
    """Divides the (positive) logits of speech tokens that have been said already; 1 for none."""

    max_new_tokens: int = Field(default=4096, ge=1, le=16_384)
    """Longest wave of one chunk (400 characters) in speech tokens of 20 ms; a longer one is cut, with a warning."""

    seed: int = 0
    """Seed of the draws; one seed, voice and text give one wave, whatever was spoken before."""
