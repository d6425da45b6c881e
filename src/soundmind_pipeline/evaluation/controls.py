"""Audio controls: does the policy hear the question, or guess it? And what may become of the sound before it fails?

Other work found that about half of an audio-reasoning benchmark is solved on silence; hence the final policy also
answers with the audio taken away (``silence``, ``shuffled``), with noise in it, from another voice, slower and faster.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import numpy as np

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.evaluation.changed_waves import at_speed, with_noise
from soundmind_pipeline.speech.log_mel import HOP_LENGTH, log_mel

NOISE_DB: Final = {"noise_20db": 20.0, "noise_10db": 10.0, "noise_0db": 0.0}
"""Signal-to-noise ratio of each noise control, in dB."""
SPEED: Final = {"slower": 0.8, "faster": 1.2}
"""Speed of each speed control; the pitch stays."""

Clips = Mapping[str, np.ndarray]


def controlled_log_mels(control: str, log_mels: Clips, speech: Clips, other_voice: Clips, seed: int) -> Clips:
    """What the policy hears under a control, by the uid whose clip it is; nothing is computed before it is asked for.

    Args:
        control: ``none`` or one of :data:`~soundmind_pipeline.evaluation.params.Control`.
        log_mels: uid → float32 [frames, 128], as the features stage made them.
        speech: uid → the spoken question, float32 [samples], 16 kHz mono.
        other_voice: uid → the same question in another voice; only read for ``other_voice``.
        seed: Seed of the noise.

    Returns:
        uid → float32 [frames, 128]. For ``none`` and ``shuffled`` these are ``log_mels``: a shuffle changes who hears
        which clip, see :func:`shuffled_uids`.
    """
    if control in NOISE_DB:
        return ChangedLogMels(speech, lambda uid, wave: with_noise(wave, NOISE_DB[control], f"{seed}/{control}/{uid}"))
    if control in SPEED:
        return ChangedLogMels(speech, lambda _, wave: at_speed(wave, SPEED[control]))
    if control == "other_voice":
        return ChangedLogMels(other_voice, lambda _, wave: wave)
    return SilencedLogMels(log_mels) if control == "silence" else log_mels


class ChangedLogMels(Mapping[str, np.ndarray]):
    """Log-mels of changed clips, each read, changed and computed when it is asked for, and then forgotten.

    Args:
        speech: uid → float32 [samples], 16 kHz mono.
        change: From a uid and its wave to the wave that is heard in its place.
    """

    def __init__(self, speech: Clips, change: Callable[[str, np.ndarray], np.ndarray]) -> None:
        self._speech, self._change = speech, change

    def __getitem__(self, uid: str) -> np.ndarray:
        """The changed clip as the features stage would have made it: float32 [frames, 128]."""
        return log_mel(self._change(uid, self._speech[uid]))

    def __contains__(self, uid: object) -> bool:
        return uid in self._speech

    def __iter__(self) -> Iterator[str]:
        return iter(self._speech)

    def __len__(self) -> int:
        return len(self._speech)


class SilencedLogMels(Mapping[str, np.ndarray]):
    """The clips of a log-mel store, each turned into digital silence of the same length.

    The frames are what the feature extractor makes of zero samples, so that the policy gets audio that can occur, not
    an arbitrary constant.
    """

    def __init__(self, log_mels: Clips) -> None:
        self._log_mels = log_mels
        self._by_length: dict[int, np.ndarray] = {}

    def __getitem__(self, uid: str) -> np.ndarray:
        """The silent clip that replaces ``uid``'s: float32 [frames, 128]."""
        frames = len(self._log_mels[uid])
        if frames not in self._by_length:
            self._by_length[frames] = log_mel(np.zeros(frames * HOP_LENGTH, dtype=np.float32))
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
        SoundmindError: With fewer than two problems, or with a uid twice.
    """
    if len(uids) < 2 or len(set(uids)) != len(uids):
        raise SoundmindError(
            f"evaluation.controls: shuffled needs two or more different problems, got {len(uids)} "
            f"({len(set(uids))} different).",
            hint="Leave shuffled out of evaluation.controls, or hold out more problems.",
        )
    rng = np.random.default_rng(seed)
    donors = list(uids)
    for i in range(len(donors) - 1, 0, -1):
        j = int(rng.integers(i))
        donors[i], donors[j] = donors[j], donors[i]
    return dict(zip(uids, donors, strict=True))
