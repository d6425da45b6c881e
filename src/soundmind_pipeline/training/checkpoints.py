"""Checkpoints that survive being killed at any moment, and from which a job continues to the same bits."""

import json
import logging
import random
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.files import sha256_of
from soundmind_pipeline.training.engine import PolicyEngine
from soundmind_pipeline.training.fingerprint import WORLD_SIZE, differences
from soundmind_pipeline.training.ranks import Ranks

logger = logging.getLogger(__name__)

KEPT = 2
_MANIFEST = "checkpoint.json"
_EXTRA = "extra.safetensors"


@dataclass
class Progress:
    """How far a job has come, beside the engine's weights and optimizer."""

    step: int = 0
    """Optimisation rounds done, over all phases; the data cursor too, since batches are functions of the step."""
    phase: int = 0
    """Index of the phase that the engine belongs to."""
    history: list[dict[str, Any]] = field(default_factory=list)
    """One row of metrics a round."""
    notes: dict[str, Any] = field(default_factory=dict)
    """Whatever else the trainer must remember; JSON."""
    tensors: dict[str, Tensor] = field(default_factory=dict)
    """Weights beside the engine's: the best so far, or what earlier phases trained."""


class Checkpoints:
    """The checkpoints of one job in one folder.

    A checkpoint is a folder `step-00000040` with the engine's state, the random state of every rank, and a manifest
    that lists each file with size and SHA-256. It is written under another name and renamed last, so that a killed job
    leaves either a whole checkpoint or none. The newest two are kept: disk use is at most three times one checkpoint.

    Args:
        folder: Where they are kept; created when needed.
        ranks: The processes of the job; methods are collective calls.
        identity: The job's fingerprint.
    """

    def __init__(self, folder: Path, ranks: Ranks, identity: Mapping[str, str]) -> None:
        self.folder = folder
        self._ranks = ranks
        self._identity = dict(identity)
        self._found: Path | None = None

    def save(self, engine: PolicyEngine, progress: Progress) -> None:
        """Write a checkpoint and drop those older than the newest two."""
        target = self.folder / f"step-{progress.step:08d}"
        temporary = self.folder / f".{target.name}.tmp"
        if self._ranks.is_main:
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
        self._ranks.barrier()
        engine.save(temporary)
        (temporary / f"random-{self._ranks.rank}.json").write_text(json.dumps(_random_state()))
        self._ranks.barrier()
        if self._ranks.is_main:
            if progress.tensors:
                save_file(progress.tensors, temporary / _EXTRA)
            self._write_manifest(temporary, progress)
            shutil.rmtree(target, ignore_errors=True)
            temporary.rename(target)
            for old in self._present()[KEPT:]:
                shutil.rmtree(old)
        self._ranks.barrier()

    def find(self, resume: bool) -> Progress:
        """Where the job stands: the newest whole checkpoint of this very job, or the beginning.

        Damaged checkpoints are passed over with a warning; those of another job are removed, which one log line tells.

        Args:
            resume: False removes whatever is there.

        Raises:
            SoundmindError: The newest whole checkpoint is this job's, at another number of ranks.
        """
        progress: Progress | None = None
        if self._ranks.is_main:
            if resume:
                self._found, progress = next(self._usable(), (None, None))
            if self._found is None:
                self.remove()
        self._found, progress = self._ranks.from_main((self._found, progress))
        return progress or Progress()

    def restore(self, engine: PolicyEngine) -> None:
        """Load what `find` found into the engine of its phase, and set this rank's random state.

        At the beginning of a job, and in the phases after the restored one, there is nothing to do.

        Raises:
            SoundmindError: The files are as they were written, yet DeepSpeed cannot read them.
        """
        if self._found is None:
            return
        try:
            engine.load(self._found)
        except Exception as error:
            raise SoundmindError(
                f"The checkpoint {self._found} cannot be loaded: {type(error).__name__}: {error}",
                "Start anew with the parameter resume: false.",
            ) from error
        _set_random_state(json.loads((self._found / f"random-{self._ranks.rank}.json").read_text()))
        self._found = None

    def remove(self) -> None:
        """Delete all checkpoints; a kill in between leaves nothing that looks like a damaged one."""
        if self._ranks.is_main:
            outgoing = self.folder.with_name(f".{self.folder.name}.old")
            shutil.rmtree(outgoing, ignore_errors=True)
            if self.folder.exists():
                self.folder.rename(outgoing)
            shutil.rmtree(outgoing, ignore_errors=True)

    def _present(self) -> list[Path]:
        """Complete checkpoints, the newest first."""
        return sorted(self.folder.glob("step-*"), reverse=True)

    def _write_manifest(self, folder: Path, progress: Progress) -> None:
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        manifest = {
            "step": progress.step,
            "phase": progress.phase,
            "history": progress.history,
            "notes": progress.notes,
            "identity": self._identity,
            "files": {str(path.relative_to(folder)): [path.stat().st_size, sha256_of(path)] for path in files},
        }
        (folder / _MANIFEST).write_text(json.dumps(manifest))

    def _usable(self) -> Iterator[tuple[Path, Progress]]:
        for folder in self._present():
            try:
                manifest = _verified_manifest(folder)
            except (OSError, ValueError, KeyError) as error:
                logger.warning("Checkpoint %s is damaged (%s): falling back to the one before.", folder.name, error)
                continue
            changed = differences(manifest["identity"], self._identity)
            if changed == [WORLD_SIZE]:
                # ZeRO shards the optimizer by rank: other ranks can neither read it nor go on to the same bits.
                raise SoundmindError(
                    f"The checkpoint {folder} was written by {manifest['identity'][WORLD_SIZE]} ranks, this job has "
                    f"{self._identity[WORLD_SIZE]}.",
                    "Continue with as many ranks (launcher.processes and machines), or start anew with resume: false.",
                )
            if changed:
                named = ", ".join(changed[:5]) + (", …" if len(changed) > 5 else "")
                logger.info("Checkpoint %s belongs to another job (%s): training starts anew.", folder.name, named)
                return
            logger.info("Continuing after step %d (%s).", manifest["step"], folder)
            extra = folder / _EXTRA
            yield (
                folder,
                Progress(
                    step=manifest["step"],
                    phase=manifest["phase"],
                    history=manifest["history"],
                    notes=manifest["notes"],
                    tensors=load_file(extra) if extra.exists() else {},
                ),
            )


def _verified_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a checkpoint whose files are all as they were written.

    Raises:
        OSError: A file is missing.
        ValueError: A file has changed, or the manifest is no JSON.
        KeyError: The manifest lacks a key.
    """
    manifest: dict[str, Any] = json.loads((folder / _MANIFEST).read_text())
    for name, (size, digest) in manifest["files"].items():
        path = folder / name
        if path.stat().st_size != size or sha256_of(path) != digest:
            raise ValueError(f"{name} is not as it was written")
    manifest["identity"], manifest["history"], manifest["notes"]  # a KeyError here is a damaged manifest
    return manifest


def _random_state() -> dict[str, Any]:
    version, internal, gauss = random.getstate()
    name, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    return {
        "torch": torch.get_rng_state().tolist(),
        "cuda": [state.tolist() for state in torch.cuda.get_rng_state_all()] if torch.cuda.is_available() else [],
        "numpy": [name, np.asarray(keys).tolist(), position, has_gauss, cached],
        "python": [version, list(internal), gauss],
    }


def _set_random_state(state: Mapping[str, Any]) -> None:
    torch.set_rng_state(torch.tensor(state["torch"], dtype=torch.uint8))
    if state["cuda"]:
        torch.cuda.set_rng_state_all([torch.tensor(values, dtype=torch.uint8) for values in state["cuda"]])
    name, keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state((name, np.array(keys, dtype=np.uint32), position, has_gauss, cached))
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))
