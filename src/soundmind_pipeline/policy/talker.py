"""Qwen2.5-Omni's own voice as a speech engine.

torch and transformers are imported inside the functions: engines are named where neither is needed.
"""

import logging
import textwrap
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import soxr

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.files import sha256_of
from soundmind_pipeline.policy.folder import ModelFolder
from soundmind_pipeline.policy.talker_params import TalkerParams
from soundmind_pipeline.speech.engines.engine import SAMPLE_RATE, SpeechEngine, UnspeakableError, Utterance

if TYPE_CHECKING:
    from soundmind_pipeline.policy.talker_model import TalkerModel

logger = logging.getLogger(__name__)

_VOICES: Final = "spk_dict.pt"
_ANY_CHECKPOINT: Final = "Name the folder or hub id of a full Qwen2.5-Omni checkpoint, such as Qwen/Qwen2.5-Omni-7B."


class TalkerEngine(SpeechEngine):
    """One full Qwen2.5-Omni checkpoint, which speaks one text at a time.

    Configuration and voices are read and checked here; the weights are read when the first utterance is spoken, so an
    engine that finds its work done already costs no memory.

    Args:
        params: Checkpoint, voice, thinker and sampling.

    Raises:
        SoundmindError: The checkpoint cannot be found, has no talker or no voices, or the voice is not among them; the
            adapter's folder does not exist; there is no CUDA device where one is asked for.
    """

    name = "Qwen2.5-Omni talker"
    pause_seconds = 0.25  # as much as Kokoro puts between sentences; not tuned on the 7B

    def __init__(self, params: TalkerParams) -> None:
        self._params = params
        folder = _fetched(params.model, ["config.json", _VOICES])
        _require_talker(folder)
        self._voices = _read_voices(folder / _VOICES)
        self._require_voice(params.speaker)
        if params.adapter is not None and not Path(params.adapter).is_dir():
            raise SoundmindError(
                f"The talker's adapter {params.adapter} is no folder.",
                "Name the folder of a policy, or null for the checkpoint's own thinker.",
            )
        _require_device(params.device)
        self._model: TalkerModel | None = None

    def describe(self) -> dict[str, Any]:
        """Package version, checkpoint and checksums of its weights and of the adapter's, sampling and seed."""
        params = self._params
        described: dict[str, Any] = {
            "engine": f"{self.name} (transformers {version('transformers')})",
            "model": params.model,
            "weights": _checksums(_fetched(params.model)),
            **params.model_dump(exclude={"model", "speaker", "adapter"}),
        }
        if params.adapter is not None:
            described["adapter"] = _adapter_checksums(ModelFolder(Path(params.adapter)))
        return described

    def speak_many(self, utterances: Iterable[Utterance]) -> Iterator[np.ndarray]:
        """Speak ``utterances`` one by one; each wave is made when the consumer asks for it.

        Speech that has not ended after ``max_new_tokens`` speech tokens is cut there and told in the log: what was said
        until then is what the model says.
        """
        from soundmind_pipeline.policy.talker_model import TALKER_RATE, TalkerModel

        for utterance in utterances:
            self._check(utterance)
            try:
                if self._model is None:
                    self._model = TalkerModel(_fetched(self._params.model), self._voices, self._params)
                wave, ended = self._model.speak(utterance.text, utterance.voice)
            except (RuntimeError, ValueError) as error:  # out of memory, more speech tokens than token2wav has places
                raise SoundmindError(
                    f"{self.name} cannot speak {utterance.text!r}: {error}",
                    "Free memory, take a smaller dtype, or lower max_new_tokens.",
                ) from error
            if not np.isfinite(wave).all():
                raise UnspeakableError(
                    f"{self.name} could not speak {utterance.text!r}: its wave holds NaN or infinity.",
                    "Weights in float16 overflow at times; bfloat16 does not.",
                )
            if not ended:
                logger.warning(
                    "%s did not come to an end of %r within %d speech tokens (%.1f s): its speech is cut there.",
                    self.name,
                    textwrap.shorten(utterance.text, 80),
                    self._params.max_new_tokens,
                    len(wave) / TALKER_RATE,
                )
            # The filter overshoots where a wave comes close to full scale.
            yield np.clip(soxr.resample(wave, TALKER_RATE, SAMPLE_RATE, quality="HQ"), -1, 1)

    def close(self) -> None:
        """Let the model go."""
        self._model = None

    def _check(self, utterance: Utterance) -> None:
        self._require_voice(utterance.voice)
        if len(utterance.manner) > 1:
            raise SoundmindError(
                f"Cannot speak {utterance.text!r} as {utterance.manner}: {self.name} takes no rate and no pitch."
            )

    def _require_voice(self, voice: str) -> None:
        if voice not in self._voices:
            raise SoundmindError(
                f"{self.name}: {self._params.model} has no voice {voice!r}.",
                f"Its voices are {', '.join(sorted(self._voices))}.",
            )


def _fetched(model: str, patterns: list[str] | None = None) -> Path:
    """The checkpoint's folder: ``model`` itself, or the snapshot of a hub repository with the files that match."""
    if Path(model).is_dir():
        return Path(model)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return Path(snapshot_download(model, allow_patterns=patterns))
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise SoundmindError(
            f"There is no folder {model}, and it cannot be fetched from the hub ({type(error).__name__}: {error}).",
            _ANY_CHECKPOINT,
        ) from error


def _require_talker(folder: Path) -> None:
    from transformers import AutoConfig

    try:
        config = AutoConfig.from_pretrained(folder)
    except (OSError, ValueError) as error:
        raise SoundmindError(f"No model's configuration can be read from {folder}: {error}", _ANY_CHECKPOINT) from error
    if config.model_type != "qwen2_5_omni" or not config.enable_audio_output:
        raise SoundmindError(f"{folder} has no talker (it is a {config.model_type}): it cannot speak.", _ANY_CHECKPOINT)


def _read_voices(path: Path) -> dict[str, Any]:
    """The voices by name: each has `bos_token`, `cond` and `ref_mel`."""
    import pickle

    import torch

    if not path.is_file():
        raise SoundmindError(
            f"{path.parent} has no voices: {_VOICES} is missing.", f"Copy {_VOICES} from the checkpoint's repository."
        )
    try:
        voices: dict[str, Any] = torch.load(path, weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise SoundmindError(f"{path} cannot be read: {error}", "Copy it from the repository again.") from error
    return voices


def _require_device(device: str) -> None:
    import torch

    if device == "cuda" and not torch.cuda.is_available():
        raise SoundmindError("The talker's device is cuda, but torch finds none.", "Set it to cpu.")


def _adapter_checksums(folder: ModelFolder) -> dict[str, str]:
    checksums = _checksums(folder.path)
    if folder.is_adapter:
        base = folder.base.path
        known = _checksums(base) if base.is_dir() else {"": str(base)}
        checksums |= {f"base/{name}": checksum for name, checksum in known.items()}
    return checksums


def _checksums(folder: Path) -> dict[str, str]:
    """SHA-256 of the weights and voices in a folder."""
    files = sorted([*folder.glob("*.safetensors"), *folder.glob("*.pt")])
    return {file.name: sha256_of(file) for file in files}
