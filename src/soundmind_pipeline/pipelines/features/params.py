"""Parameters of the feature stage."""

from typing import Literal

from pydantic import Field

from soundmind_pipeline.params import Params
from soundmind_pipeline.policy.params import TokenizerParams


class FeaturesParams(Params):
    """What is computed from the manifest once, for all later stages."""

    processor: str | None = None
    """Folder or hub id of a Qwen2.5-Omni processor (for the 7B: `Qwen/Qwen2.5-Omni-7B`); null trains a nano one."""

    tokenizer: TokenizerParams = TokenizerParams()
    """The nano tokenizer, trained on the train split's texts; unused when `processor` names one."""

    log_mels: Literal["stored", "computed"] = "stored"
    """`stored`: computed once, 51 kB on disk a second of speech; `computed`: from the clips whenever asked for."""

    engine: Literal["local", "ray"] = "local"
    """Who computes stored log-mels: processes of this machine, or Ray (extra `cluster`); all write the same bytes."""

    workers: int = Field(default=2, ge=1, le=4096)
    """Shards computed at a time, by one thread each; `local` takes fewer for less than some 4 hours of speech each."""

    shard_megabytes: int = Field(default=64, ge=1, le=4096)
    """Size from which a shard is closed, in MiB: what a killed run may have to compute again, for each worker."""

    ray_address: str | None = None
    """Ray cluster, such as `auto` or `ray://head:10001`, whose machines share the data folder; null: a local one."""
