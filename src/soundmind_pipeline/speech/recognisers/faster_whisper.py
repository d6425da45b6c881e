"""Whisper through faster-whisper (CTranslate2), from a folder in its layout."""

from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.files import sha256_of
from soundmind_pipeline.speech.engines.weights import package_version
from soundmind_pipeline.speech.recognisers.params import RecogniserParams
from soundmind_pipeline.speech.recognisers.recogniser import Clip, Recogniser, wave_of

_AHEAD: Final = 4
"""Clips on their way, a worker."""


class FasterWhisper(Recogniser):
    """A Whisper model of CTranslate2.

    Decoding: English, no fallback to random sampling, no text of the window before as a prompt (it makes loops).

    Args:
        folder: Holds model.bin, config.json, tokenizer.json and the vocabulary.
        params: Beams, number type, workers.

    Raises:
        SoundmindError: faster-whisper is not installed, the model is damaged, or the device is missing or cannot
            compute with the number type.
    """

    def __init__(self, folder: Path, params: RecogniserParams) -> None:
        self._version = package_version("faster-whisper", "asr")
        from faster_whisper import WhisperModel

        self._folder, self._params = folder, params
        try:
            self._model = WhisperModel(
                str(folder),
                device=params.device,
                compute_type=params.compute_type,
                cpu_threads=1,
                num_workers=params.workers,
                local_files_only=True,
            )
        except (RuntimeError, ValueError) as error:
            raise SoundmindError(
                f"faster-whisper cannot open {folder} on device {params.device} in {params.compute_type}: {error}",
                hint="float16 wants a GPU and int8 does not; if neither is to blame, put the model there again.",
            ) from error

    def describe(self) -> dict[str, Any]:
        """Engine and version, model, checksum and decoding settings."""
        return {
            "recogniser": f"Whisper (faster-whisper {self._version})",
            "model": self._params.model,
            "weights": {"model.bin": sha256_of(self._folder / "model.bin")},
            "compute_type": self._params.compute_type,
            "beam_size": self._params.beam_size,
        }

    def transcribe_many(self, clips: Iterable[Clip]) -> list[str]:
        """See :meth:`Recogniser.transcribe_many`."""
        texts: list[str] = []
        ahead: deque[Future[str]] = deque()
        with ThreadPoolExecutor(self._params.workers, thread_name_prefix="whisper") as pool:
            try:
                for clip in clips:
                    ahead.append(pool.submit(self._transcribe, clip))
                    if len(ahead) >= _AHEAD * self._params.workers:
                        texts.append(ahead.popleft().result())
                texts += [future.result() for future in ahead]
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        return texts

    def _transcribe(self, clip: Clip) -> str:
        segments, _ = self._model.transcribe(
            wave_of(clip),
            language="en",
            beam_size=self._params.beam_size,
            temperature=0.0,
            condition_on_previous_text=False,
        )
        return " ".join(segment.text.strip() for segment in segments)
