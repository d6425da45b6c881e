"""Policies for others: folders that plain PEFT and transformers read, with everything they need inside."""

import json
import os
import shutil
from pathlib import Path
from typing import Final

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.policy.folder import ModelFolder, Policy, load_policy, rebase_adapter, save_policy

BASE: Final = "base"
"""Folder of a local base model inside an exported adapter."""


def export_adapter(policy: ModelFolder, out: Path) -> None:
    """Copy an adapter for plain PEFT; a base that is a local folder goes with it, hard-linked where possible.

    Args:
        policy: An adapter folder.
        out: A new or empty folder. `base_model_name_or_path` of its adapter_config.json is `base`, a folder in it, or
            the base's hub id.

    Raises:
        SoundmindError: `policy` is no adapter.
    """
    if not policy.is_adapter:
        raise SoundmindError(f"{policy.path} is a whole model, not an adapter.", "Export it with --merged.")
    base = policy.base
    shutil.copytree(policy.path, out, dirs_exist_ok=True)
    if base.path.is_dir():
        shutil.copytree(base.path, out / BASE, copy_function=link_or_copy)
        rebase_adapter(ModelFolder(out), ModelFolder(out / BASE))


def export_merged(policy: ModelFolder, out: Path, dtype: str | None = None) -> None:
    """Write a policy as one plain transformers checkpoint, adapters merged into the weights.

    Args:
        policy: An adapter folder or a whole policy.
        out: A new or empty folder.
        dtype: Name of the torch dtype of the weights; None takes that of the (base) checkpoint.
    """
    loaded = load_policy(policy, dtype or _dtype_of(policy.base if policy.is_adapter else policy))
    model = loaded.model.merge_and_unload() if policy.is_adapter else loaded.model
    save_policy(Policy(model, loaded.processor), out)


def _dtype_of(folder: ModelFolder) -> str:
    """The dtype that a checkpoint's configuration names; a hub id's is taken to be bfloat16, as the 7B's."""
    config = folder.path / "config.json"
    if not config.is_file():
        return "bfloat16"
    document = json.loads(config.read_text())
    return str(document.get("dtype") or document.get("torch_dtype") or "float32")


def link_or_copy(source: str, target: str) -> None:
    """Hard-link a file, or copy it where it cannot be linked: as ``copy_function`` of :func:`shutil.copytree`."""
    try:
        os.link(source, target)
    except OSError:  # another disk, or a file system without links
        shutil.copy2(source, target)
