"""Errors that are meant for the person at the keyboard."""

import errno
import shutil
from pathlib import Path

_SPARE_BYTES = 1 << 20
# How messages of Kedro about its options and files begin, and what to do next.
_KEDRO = {
    "Failed to find the pipeline": "kedro registry list names the pipelines.",
    "Pipeline does not contain nodes": "kedro registry describe PIPELINE names its nodes; none has a namespace.",
    "Pipeline does not contain datasets": "kedro catalog describe-datasets names the datasets of each pipeline.",
    "Pipeline contains no nodes": "The tag of a node is its stage; name the pipeline that has it with --pipelines.",
    "module 'kedro.runner' has no attribute": "Leave --runner out, or give SequentialRunner.",
    "Invalid YAML or JSON file": "It is no valid YAML there; lines count from 0.",
}


class SoundmindError(Exception):
    """A problem the user can mend; shown as one message without a traceback.

    Args:
        message: What is wrong, naming the file, line or parameter key.
        hint: The next step, as an imperative sentence or a command.
    """

    def __init__(self, message: str, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  → {self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[type, tuple[str, str | None]]:
        return (type(self), (self.message, self.hint))


def explain(error: BaseException) -> SoundmindError | None:
    """The message a user should see for ``error``, or None when it is a bug that deserves its traceback."""
    chain: list[BaseException] = []
    cursor: BaseException | None = error
    while cursor is not None and cursor not in chain:
        chain.append(cursor)
        cursor = cursor.__cause__ or cursor.__context__
    for link in chain:
        if isinstance(link, SoundmindError):
            return link
        if isinstance(link, OSError) and link.errno == errno.ENOSPC:
            return SoundmindError(f"The disk is full: {link.filename or link}", hint="Free some space, run it again.")
        if isinstance(link, PermissionError):
            return SoundmindError(f"No permission: {link.filename or link}", hint="Make it writable and run it again.")
    if shutil.disk_usage(Path.cwd()).free < _SPARE_BYTES:
        # PyTorch and SQLite have errors of their own for it.
        return SoundmindError(f"The disk is full ({Path.cwd()}): {error}", hint="Free some space, run it again.")
    # Kedro's own, by name: this module knows no library.
    if type(error).__name__ == "MissingConfigException":
        return SoundmindError(
            str(error).strip(), hint="An environment is a folder of conf; --conf-source says where conf is."
        )
    if str(error).startswith("Cannot merge DictConfig with ListConfig"):  # omegaconf's
        return SoundmindError(
            "--params names a key inside a list; it can only give a value to a key of a block.",
            hint="Write the whole list into conf/local/parameters_<stage>.yml.",
        )
    if type(error).__name__ in {"DatasetError", "DatasetNotFoundError"}:
        return SoundmindError(str(error).strip())
    for start, hint in _KEDRO.items():
        if str(error).startswith(start):
            return SoundmindError(str(error).strip(), hint=hint)
    return None
