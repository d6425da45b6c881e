"""Which clip goes into which shard, decided before any clip is read."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count
from typing import Final

from soundmind_pipeline.speech.log_mel import HOP_LENGTH, MEL_BINS, N_FFT, REVISION, SAMPLE_RATE
from soundmind_pipeline.speech.log_mels import SpokenClip

FRAME_BYTES: Final = MEL_BINS * 4
_SETTINGS: Final = (REVISION, SAMPLE_RATE, N_FFT, HOP_LENGTH, MEL_BINS)


@dataclass(frozen=True, slots=True)
class PlannedShard:
    """A shard that is to be written."""

    name: str
    """`shard-00000` and so on."""
    clips: tuple[tuple[str, SpokenClip], ...]
    """Its clips by uid, in order."""

    @property
    def frames(self) -> int:
        """Frames of its clips together."""
        return sum(clip.frames for _, clip in self.clips)

    @property
    def bytes(self) -> int:
        """Size of its log-mels."""
        return self.frames * FRAME_BYTES

    @property
    def seconds(self) -> float:
        """Duration of its clips."""
        return self.frames * HOP_LENGTH / SAMPLE_RATE

    @property
    def fingerprint(self) -> str:
        """Identifies its clips, by uid and checksum of the sound file, and how log-mels are computed."""
        contents = [_SETTINGS, [(uid, clip.sha256) for uid, clip in self.clips]]
        return hashlib.sha256(json.dumps(contents).encode()).hexdigest()


def plan_shards(clips: Iterable[tuple[str, SpokenClip]], shard_bytes: int) -> list[PlannedShard]:
    """Fill shards with clips in their order; a shard is closed once it holds ``shard_bytes``."""
    shards: list[PlannedShard] = []
    names = (f"shard-{number:05d}" for number in count())
    pending: list[tuple[str, SpokenClip]] = []
    size = 0
    for item in clips:
        pending.append(item)
        size += item[1].frames * FRAME_BYTES
        if size >= shard_bytes:
            shards.append(PlannedShard(next(names), tuple(pending)))
            pending, size = [], 0
    if pending:
        shards.append(PlannedShard(next(names), tuple(pending)))
    return shards
