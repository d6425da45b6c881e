"""Parameters of the feature stage."""

from soundmind_pipeline.params import Params
from soundmind_pipeline.policy.params import TokenizerParams


class FeaturesParams(Params):
    """What is computed from the manifest once, for all later stages."""

    processor: str | None = None
    """Folder or hub id of a Qwen2.5-Omni processor (for the 7B: `Qwen/Qwen2.5-Omni-7B`); null trains a nano one."""

    tokenizer: TokenizerParams = TokenizerParams()
    """The nano tokenizer, trained on the train split's texts; unused when `processor` names one."""
