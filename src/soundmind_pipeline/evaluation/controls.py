"""Audio controls: does the policy hear the question, or guess it?

Other work found that about half of an audio-reasoning benchmark is solved on silence; hence each final policy also
answers with the audio taken away, in two ways.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

HOP = 160  # samples between two log-mel frames at 16 kHz


class SilencedLogMels(Mapping[str, np.ndarray]):
    """The clips of a log-mel store, each turned into digital silence of the same length.

    The frames are what the feature extractor makes of zero samples, so that the policy gets audio that can occur, not
    an arbitrary constant.
    """

    def __init__(self, log_mels: Mapping[str, np.ndarray]) -> None:
        self._log_mels = log_mels
        self._by_length: dict[int, np.ndarray] = {}

    def __getitem__(self, uid: str) -> np.ndarray:
        """The silent clip that replaces ``uid``'s: float32 [frames, 128]."""
        from soundmind_pipeline.speech.log_mel import log_mel

        frames = len(self._log_mels[uid])
        if frames not in self._by_length:
            self._by_length[frames] = log_mel(np.zeros(frames * HOP, dtype=np.float32))
        return self._by_length[frames]

    def __iter__(self) -> Iterator[str]:
        return iter(self._log_mels)

    def __len__(self) -> int:
        return len(self._log_mels)


def shuffled_uids(uids: Sequence[str], seed: int) -> dict[str, str]:
    """For every problem, the problem whose audio it gets instead: never its own.

    Sattolo's algorithm draws a permutation that is one single cycle, hence without a fixed point, and each clip is used
    exactly once, so that the control hears the same audio as the real run.

    Raises:
        ValueError: With fewer than two problems, or with a uid twice.
    """
    if len(uids) < 2 or len(set(uids)) != len(uids):
        raise ValueError(
            f"a shuffle needs two or more different problems, got {len(uids)} ({len(set(uids))} different)"
        )
    rng = np.random.default_rng(seed)
    donors = list(uids)
    for i in range(len(donors) - 1, 0, -1):
        j = int(rng.integers(i))
        donors[i], donors[j] = donors[j], donors[i]
    return dict(zip(uids, donors, strict=True))
