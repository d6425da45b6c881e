"""Policies as Hugging Face folders: whole ones, and adapters that name the folder of their base."""

import json
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.files import atomic_directory, atomic_path, sha256_of

if TYPE_CHECKING:
    from soundmind_pipeline.policy.processor import AudioTextProcessor

# torch and transformers are imported inside the functions: handles travel where neither is needed.

_ADAPTER_CONFIG = "adapter_config.json"
_DECISIVE = (".safetensors", ".bin", ".json", ".jinja")  # endings of the files that decide on a model's answers


@dataclass(frozen=True)
class ModelFolder:
    """Where a policy lies; weights are not read."""

    path: Path
    """A folder, or (only for loading) a hub id such as `Qwen/Qwen2.5-Omni-7B`."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", Path(self.path))

    @property
    def is_adapter(self) -> bool:
        """Whether the folder holds LoRA weights only, beside the name of their base."""
        return (self.path / _ADAPTER_CONFIG).is_file()

    @property
    def base(self) -> "ModelFolder":
        """The folder (or hub id) that an adapter folder builds on.

        Raises:
            SoundmindError: `adapter_config.json` names no base.
        """
        name = json.loads((self.path / _ADAPTER_CONFIG).read_text()).get("base_model_name_or_path")
        if not name:
            raise SoundmindError(
                f"{self.path / _ADAPTER_CONFIG} names no base model.", "Set its key base_model_name_or_path."
            )
        beside = Path(os.path.normpath(self.path / name))
        return ModelFolder(beside if beside.is_dir() else Path(name))

    def checksums(self) -> dict[str, str]:
        """SHA-256 of the files that decide on the model's answers, by name; those of an adapter's base as `base/…`.

        A hub id has no files here and gives none.
        """
        files = [file for file in sorted(self.path.glob("*")) if file.suffix in _DECISIVE]
        own = {file.name: sha256_of(file) for file in files}
        below = self.base.checksums() if self.is_adapter else {}
        return own | {f"base/{name}": digest for name, digest in below.items()}


@dataclass(frozen=True)
class Policy:
    """A model and the processor that goes with it."""

    model: Any
    """A `Qwen2_5OmniThinkerForConditionalGeneration`, or a `PeftModel` around one."""

    processor: "AudioTextProcessor"
    """Tokenizer, feature extractor and chat template."""


def load_policy(folder: ModelFolder | str | Path, dtype: str = "float32", trainable: bool = False) -> Policy:
    """Load a policy in evaluation mode.

    An adapter folder loads its base (a hub id, a path, or a path relative to the adapter folder) and the adapter on
    top. A whole Qwen2.5-Omni checkpoint loads its Thinker.

    Args:
        folder: Handle, path or hub id.
        dtype: Name of the torch dtype of the weights, such as `bfloat16`.
        trainable: Whether the adapter's weights require gradients.

    Raises:
        SoundmindError: The folder is missing or empty, its weights do not fit its configuration, the adapter does not
            fit its base, or the processor is missing.
    """
    folder = folder if isinstance(folder, ModelFolder) else ModelFolder(Path(folder))
    _require(folder)
    if not folder.is_adapter:
        return Policy(_load_thinker(folder, dtype).eval(), _load_processor(folder))
    base = folder.base
    _require(base, f", which {folder.path / _ADAPTER_CONFIG} names as base model,")
    model = _load_adapter(_load_thinker(base, dtype), folder, base, trainable)
    has_processor = (folder.path / "tokenizer_config.json").is_file()
    return Policy(model.eval(), _load_processor(folder if has_processor else base))


def save_policy(policy: Policy, path: str | Path) -> ModelFolder:
    """Write a policy as safetensors with its processor; the folder appears whole or not at all.

    Of a policy with adapters only these are written. Their base is named relative to the new folder where it is a
    local folder, so that a project can be moved; plain PEFT takes the base model as an argument and needs no name.

    Returns:
        The handle of the new folder.
    """
    path = Path(path)
    _hide_progress_bars()
    with atomic_directory(path) as temporary:
        # Without the option PEFT looks for the base's vocabulary, on the hub if need be.
        options = {"save_embedding_layers": False} if hasattr(policy.model, "peft_config") else {}
        policy.model.save_pretrained(temporary, **options)
        policy.processor.save_pretrained(temporary)
        if (temporary / _ADAPTER_CONFIG).is_file():
            (temporary / "README.md").unlink(missing_ok=True)  # PEFT's empty model card
            _name_base(temporary, _base_of(policy.model), seen_from=path)
    return ModelFolder(path)


def rebase_adapter(folder: ModelFolder, base: ModelFolder, seen_from: Path | None = None) -> None:
    """Name the base in an adapter folder anew, because either is moved.

    Args:
        folder: The adapter folder.
        base: What it builds on.
        seen_from: Where the adapter folder is going to stand; None: where it stands now.
    """
    _name_base(folder.path, base.path, seen_from=seen_from or folder.path)


def _hide_progress_bars() -> None:
    """Transformers draws a bar for every read and write of weights; users watch the stages' own."""
    from transformers.utils import logging

    logging.disable_progress_bar()


def _base_of(model: Any) -> Path:
    name = model.get_base_model().config.name_or_path
    if not name:
        raise SoundmindError(
            "The adapter's base was never saved, so the adapter folder could not name it.",
            "Save the base with save_policy and load it with load_policy before adding adapters.",
        )
    return Path(name)


def _name_base(folder: Path, base: Path, seen_from: Path) -> None:
    config = json.loads((folder / _ADAPTER_CONFIG).read_text())
    name = os.path.relpath(base.resolve(), seen_from.resolve()) if base.is_dir() else str(base)
    config["base_model_name_or_path"] = Path(name).as_posix()
    with atomic_path(folder / _ADAPTER_CONFIG) as temporary:
        temporary.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def _require(folder: ModelFolder, role: str = "") -> None:
    path = folder.path
    if path.is_dir():
        if not folder.is_adapter and not (path / "config.json").is_file():
            raise SoundmindError(
                f"{path}{role} holds no model: neither config.json nor {_ADAPTER_CONFIG}.",
                "Build it again with the stage that owns it.",
            )
        return
    looks_like_hub_id = len(path.parts) == 2 and not path.is_absolute() and not path.parts[0].startswith(".")
    if not looks_like_hub_id:
        raise SoundmindError(f"The model folder {path}{role} does not exist.", "Run the stage that builds it first.")


def _load_thinker(folder: ModelFolder, dtype: str) -> Any:
    from transformers import Qwen2_5OmniThinkerForConditionalGeneration

    return load_weights(Qwen2_5OmniThinkerForConditionalGeneration.from_pretrained, folder.path, dtype)


def load_weights(from_pretrained: Callable[..., Any], path: Path, dtype: str) -> Any:
    """A model of transformers with all its weights: a tensor that is missing is an error, not a random one.

    Args:
        from_pretrained: The method of the model's class.
        path: A folder or hub id.
        dtype: Name of the torch dtype of the weights, such as `bfloat16`.

    Raises:
        SoundmindError: The folder cannot be read, or its weights do not fit its configuration.
    """
    import torch
    from safetensors import SafetensorError

    _hide_progress_bars()
    if not isinstance(getattr(torch, dtype, None), torch.dtype):
        raise SoundmindError(f"{dtype!r} is no dtype of weights.", "Use float32, bfloat16 or float16.")
    try:
        model, info = from_pretrained(str(path), dtype=getattr(torch, dtype), output_loading_info=True)
    except RuntimeError as error:
        raise SoundmindError(
            f"The weights in {path} do not fit its config.json (another model size?): {_mismatch(error)}",
            "Build the folder again, or put back the config.json that its weights were saved with.",
        ) from error
    except (OSError, ValueError, SafetensorError) as error:
        raise SoundmindError(
            f"No policy can be read from {path}: {_mismatch(error)}",
            "Give a folder with config.json and model.safetensors, or a hub id that can be reached.",
        ) from error
    if info["missing_keys"]:
        missing = sorted(info["missing_keys"])
        raise SoundmindError(
            f"The weights in {path} lack {len(missing)} tensors of its config.json, such as {missing[0]}.",
            "Build the folder again, or put back the config.json that its weights were saved with.",
        )
    return model


def _load_adapter(model: Any, folder: ModelFolder, base: ModelFolder, trainable: bool) -> Any:
    from peft import PeftModel, get_peft_model_state_dict
    from safetensors import SafetensorError, safe_open

    misfit = f"The adapter in {folder.path} does not fit its base {base.path} (another model size?): "
    hint = "Train the adapter again on this base, or name its own base in adapter_config.json."
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # tensors that are missing: an error below
            adapted = PeftModel.from_pretrained(model, str(folder.path), is_trainable=trainable)
        with safe_open(folder.path / "adapter_model.safetensors", framework="pt") as file:
            saved = set(file.keys())
    except (RuntimeError, ValueError) as error:
        raise SoundmindError(misfit + _mismatch(error), hint) from error
    except (OSError, SafetensorError) as error:
        raise SoundmindError(
            f"The adapter in {folder.path} cannot be read: {_mismatch(error)}", "Train the adapter again."
        ) from error
    expected = get_peft_model_state_dict(adapted, save_embedding_layers=False)
    different = sorted(saved.symmetric_difference(expected))
    if different:
        raise SoundmindError(f"{misfit}{len(different)} tensors differ, such as {different[0]}", hint)
    return adapted


def _load_processor(folder: ModelFolder) -> "AudioTextProcessor":
    from soundmind_pipeline.policy.processor import load_processor

    return load_processor(folder.path)


def _mismatch(error: BaseException) -> str:
    """The line of a library's error that names the first tensor that does not fit, else its first line."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next((line for line in lines if "size mismatch" in line), lines[0] if lines else type(error).__name__)
