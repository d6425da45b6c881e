"""Written answers on disk, batch by batch: a run that is killed answers only what is left, and marks all of it."""

import base64
import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from soundmind_pipeline.code_files import made_with
from soundmind_pipeline.files import atomic_path

if TYPE_CHECKING:
    import torch

    from soundmind_pipeline.policy.params import SamplingParams
    from soundmind_pipeline.policy.prompts import Prompt

ANSWERING: Final = ("soundmind_pipeline.policy.folder", "soundmind_pipeline.policy.rollout.engine")
"""Modules that load a policy and have it answer; with what they import they decide on an answer to a given prompt."""
LIBRARIES: Final = ("torch", "transformers", "peft")
"""What these modules compute with."""

Answers = list[list[dict[str, Any]]]


class AnswerStore:
    """Answers by what they depend on; marks are not kept, so that another reward needs no new answers.

    Args:
        folder: One file a batch, each there whole or not at all; made when it is needed.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._used: set[str] = set()

    def find(self, key: str, generator: "torch.Generator") -> Answers | None:
        """The answers under ``key``, with ``generator`` set to where it stood after them; None if there are none."""
        import torch

        try:
            kept = json.loads(self._file(key).read_text())
        except (FileNotFoundError, json.JSONDecodeError):  # a disk that lost power may hold an empty file
            return None
        state = bytearray(base64.b64decode(kept["generator"]))
        if state:
            generator.set_state(torch.frombuffer(state, dtype=torch.uint8))
        self._used.add(key)
        answers: Answers = kept["answers"]
        return answers

    def keep(self, key: str, answers: Answers, sampling: "SamplingParams", generator: "torch.Generator") -> None:
        """Write the answers of a batch down, and where it left the generator if it drew any."""
        drawn = generator.get_state().numpy().tobytes() if sampling.temperature else b""
        kept = {"answers": answers, "generator": base64.b64encode(drawn).decode()}
        with atomic_path(self._file(key)) as temporary:
            temporary.write_text(json.dumps(kept))
        self._used.add(key)

    def forget_others(self) -> None:
        """Remove the answers that were neither found nor kept since this store was made: another policy's, say."""
        used = {self._file(key) for key in self._used}
        for file in self.folder.glob("*.json"):
            if file not in used:
                file.unlink()

    def _file(self, key: str) -> Path:
        return self.folder / f"{key}.json"


@functools.cache
def answering_code() -> dict[str, str]:
    """Digest of the code of :data:`ANSWERING` and the versions of :data:`LIBRARIES`.

    Answers of other code are never found: what changes the decoder has all problems answered again, as DVC has the
    stage run again.
    """
    return made_with(ANSWERING, LIBRARIES, source=Path(__file__).parents[2])


def batch_key(
    policy: Mapping[str, str], prompts: Sequence["Prompt"], sampling: "SamplingParams", generator: "torch.Generator"
) -> str:
    """What the answers of a batch depend on, as 32 hex digits.

    The prompts stand for themselves, tokens and audio: whatever changes what a policy reads or hears (problems,
    instruction, chat template, control, voice, features) changes them.

    Args:
        policy: What identifies the policy, the precision in which it answers, and the kind of device.
        prompts: The batch; who stands beside whom decides on rounding.
        sampling: Number, length and temperature of the answers.
        generator: Where the random numbers start; does not count for greedy answers.
    """
    asked = {"made_with": answering_code(), "policy": dict(policy), "sampling": sampling.model_dump(mode="json")}
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode())
    if sampling.temperature:
        digest.update(generator.get_state().numpy().tobytes())
    for prompt in prompts:
        frames = 0 if prompt.log_mel is None else len(prompt.log_mel)
        digest.update(json.dumps([prompt.token_ids, frames]).encode())
        if prompt.log_mel is not None:
            digest.update(np.ascontiguousarray(prompt.log_mel).data)
    return digest.hexdigest()[:32]
