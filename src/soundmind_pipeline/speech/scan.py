"""What a sound file is, measured in one reading: container, length, checksums, loudness, speech, and its defect if any.

:func:`scan_clip` reads one file in this process; ``scanning.scan_clips`` reads many in processes of their own.
"""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from pydantic import Field

from soundmind_pipeline.params import Params
from soundmind_pipeline.speech.audio import SILENCE_PEAK, AudioError, Defect, Recording, decode, read_bytes
from soundmind_pipeline.speech.containers import named
from soundmind_pipeline.speech.voice_activity import speech_seconds

FULL_SCALE: Final = 32_766.5 / 32_768
"""From here on a sample counts as standing at full scale (16-bit audio's last step on either side)."""

CLIPPED_RUN: Final = 3
"""As many samples in a row at full scale are clipped; a single one may be a peak."""

FLOOR_DB: Final = -120.0
"""Levels are at least this, in dB of full scale."""


class ScanParams(Params):
    """How clips are examined, and which are set aside."""

    workers: int = Field(default=2, ge=0, le=256)
    """Processes that read clips; 0 reads them in the main process, where a crash of the decoder ends the run."""

    max_clipped_share: float = Field(default=0.01, ge=0, le=1)
    """Highest share of samples that stand at full scale in runs of three and more."""

    min_words_per_second: float = Field(default=0.5, ge=0)
    """Fewest words a second of sound: below it, a clip is too long for its text."""

    max_words_per_second: float = Field(default=10.0, gt=0)
    """Most words a second of sound: above it, a clip is too short for its text."""

    timeout: int = Field(default=300, ge=1)
    """Seconds that reading one clip may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipFacts:
    """What is known of one sound file; a field is null where the file could not be read so far."""

    container: str | None = None
    """`wav`, `flac`, `ogg` or `mp3`, by its content."""
    rate: int | None = None
    """In Hz."""
    channels: int | None = None
    """Number of channels."""
    seconds: float | None = None
    """Duration."""
    sha256: str | None = None
    """Checksum of the file."""
    samples_sha256: str | None = None
    """Checksum of the decoded mono samples and the rate: the same samples in another container have it too."""
    peak: float | None = None
    """Largest absolute sample of any channel; 1 is full scale."""
    loudness_db: float | None = None
    """RMS of the mono samples, dB of full scale."""
    clipped_share: float | None = None
    """Share of samples at full scale in runs of three and more."""
    offset: float | None = None
    """Mean of the mono samples, which should be 0."""
    dead_channels: int | None = None
    """Channels without any sound beside one with sound."""
    speech_seconds: float | None = None
    """Seconds of speech by voice activity."""
    defect: Defect | None = None
    """Why the clip cannot be used, in a fixed word; null if it can."""
    detail: str | None = None
    """The particulars of the defect."""


def scan_clip(path: Path, params: ScanParams, root: Path | None = None) -> ClipFacts:
    """Read one sound file and measure it.

    Args:
        path: The file.
        params: What is tolerated.
        root: A folder that the file must stand in, links followed; None where any place will do.

    Returns:
        Its facts; those of a file that cannot be used are as complete as it allows. No file makes this raise.
    """
    facts = ClipFacts()
    try:
        if root is not None and not path.resolve().is_relative_to(root.resolve()):
            raise AudioError(path, "outside", f"it leads to {path.resolve()}")
        data = read_bytes(path)
        facts = replace(facts, sha256=hashlib.sha256(data).hexdigest())
        recording = decode(data, path)
        facts = _measure(facts, recording)
        defect = _defect_of(facts, recording, path, params)
    except AudioError as error:
        defect = (error.defect, error.detail)
    except (
        Exception
    ) as error:  # decoders and file systems fail in more ways than can be listed, and no clip may end a run
        defect = ("unreadable", f"{type(error).__name__}: {error}")
    return replace(facts, defect=defect[0], detail=defect[1]) if defect else facts


def _measure(facts: ClipFacts, recording: Recording) -> ClipFacts:
    mono, rate = recording.mono(), recording.rate
    return replace(
        facts,
        container=recording.container,
        rate=rate,
        channels=recording.wave.shape[1],
        seconds=len(mono) / rate,
        samples_sha256=_samples_sha256(mono, rate),
        peak=recording.peak,
        loudness_db=_rms_db(mono),
        clipped_share=_clipped_share(recording),
        offset=float(mono.mean()),
        dead_channels=_dead_channels(recording.wave),
        speech_seconds=speech_seconds(mono, rate),
    )


def _samples_sha256(mono: np.ndarray, rate: int) -> str:
    digest = hashlib.sha256(np.ascontiguousarray(mono, dtype="<f4").data)
    digest.update(str(rate).encode())
    return digest.hexdigest()


def _dead_channels(wave: np.ndarray) -> int:
    """How many of the channels of ``[samples, channels]`` are silent beside one that is not."""
    if wave.shape[1] == 1:
        return 0
    silent = np.ptp(wave, axis=0) / 2 <= SILENCE_PEAK
    return 0 if silent.all() else int(silent.sum())


def _rms_db(mono: np.ndarray) -> float:
    power = float(np.dot(mono, mono)) / len(mono)
    return 10 * float(np.log10(power)) if power > 10 ** (FLOOR_DB / 10) else FLOOR_DB


def _clipped_share(recording: Recording) -> float:
    """Share of ``[samples, channels]`` that stand in runs of :data:`CLIPPED_RUN` and more at full scale."""
    if recording.peak < FULL_SCALE:
        return 0.0
    clipped = 0
    for channel in recording.wave.T:
        edges = np.diff(np.concatenate([[0], (np.abs(channel) >= FULL_SCALE).astype(np.int8), [0]]))
        runs = np.flatnonzero(edges == -1) - np.flatnonzero(edges == 1)
        clipped += int(runs[runs >= CLIPPED_RUN].sum())
    return clipped / recording.wave.size


def _defect_of(facts: ClipFacts, recording: Recording, path: Path, params: ScanParams) -> tuple[Defect, str] | None:
    """What is wrong with a clip that can be decoded."""
    mono = recording.mono()
    amplitude = float(np.ptp(mono)) / 2
    if amplitude <= SILENCE_PEAK:
        offset = f", only a constant offset of {facts.offset:.2g}" if recording.peak > SILENCE_PEAK else ""
        return "silent", f"no amplitude above {amplitude:.2g} of full scale{offset}"
    if named(path) != recording.container:
        return "mislabelled", f"{recording.container.upper()} by its content, {path.suffix or 'no suffix'} by its name"
    if (share := facts.clipped_share or 0.0) > params.max_clipped_share:
        return "clipped", f"{share:.2%} of its samples stand at full scale in runs, {params.max_clipped_share:.2%} may"
    if not facts.speech_seconds:
        return "no speech", "nothing that lasts longer than a click"
    return None
