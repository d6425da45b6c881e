"""Fetch SoundMind data by its name on the Hugging Face hub, into a folder that :mod:`.soundmind` reads."""

import errno
import json
import logging
from pathlib import Path
from typing import Final

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.files import atomic_path

logger = logging.getLogger(__name__)

TEXT_PATTERNS: Final = ("*.jsonl", "README.md")
"""What is fetched without sound: ``metadata.jsonl`` holds all texts, so no ``annotation.json`` is needed."""

RECORD_FILE: Final = "fetched.json"
"""Which commit the folder holds: a fetch that goes on after an interruption, or with sound, takes the same one."""


def fetch_soundmind(
    hub_id: str, folder: Path, with_audio: bool, revision: str = "main", endpoint: str | None = None
) -> str:
    """Download a data set, or what is missing of it.

    A file that is there is not downloaded again, so an interrupted fetch goes on where it was, and a complete one needs
    no network. The commit that ``revision`` named at the first fetch is kept; remove the folder to take a newer one.

    Args:
        hub_id: Such as ``SoundMind-RL/SoundMindDataset``; a token, where it needs one, is read from ``HF_TOKEN``.
        folder: Where it goes, laid out as on the hub.
        with_audio: All files (about 185 GB for the published data), or :data:`TEXT_PATTERNS` only.
        revision: Branch, tag or commit.
        endpoint: Another hub; None for ``HF_ENDPOINT`` or the public one.

    Returns:
        The commit.

    Raises:
        SoundmindError: The hub cannot be reached, knows no such data set or revision, asks for rights, or a download
            fails; the folder holds another data set.
    """
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError, RevisionNotFoundError

    patterns = None if with_audio else list(TEXT_PATTERNS)
    commit = _recorded_commit(folder, hub_id, revision)
    try:
        if commit is None:
            commit = str(HfApi(endpoint=endpoint).dataset_info(hub_id, revision=revision).sha)
            _record(folder, {"hub_id": hub_id, "revision": revision, "commit": commit})
        snapshot_download(
            hub_id, repo_type="dataset", revision=commit, local_dir=folder, allow_patterns=patterns, endpoint=endpoint
        )
        missing = _missing(hub_id, folder, commit, patterns)
    except (RepositoryNotFoundError, RevisionNotFoundError, HFValidationError) as error:
        # A gated data set is one that is not found without a token.
        hint = "Check its name and revision; if it is gated, accept its terms on the hub and set HF_TOKEN."
        raise SoundmindError(f"The hub does not give {hub_id} ({revision}): {_first_line(error)}", hint) from error
    except Exception as error:  # whatever the library's HTTP client raises
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise
        raise SoundmindError(
            f"{hub_id} could not be fetched into {folder}: {_first_line(error)}",
            "Check the network and run it again: it goes on where it was. "
            f"Or put the data into {folder} yourself: the hub is then not asked.",
        ) from error
    if missing:
        raise SoundmindError(
            f"{hub_id} in {folder} lacks {missing[0]}" + (f" and {len(missing) - 1} more" if missing[1:] else ""),
            "Check the network and run it again: it goes on where it was.",
        )
    logger.info("%s is in %s, commit %s.", hub_id, folder, commit)
    return commit


def _recorded_commit(folder: Path, hub_id: str, revision: str) -> str | None:
    """The commit of an earlier fetch into the folder; None if there was none."""
    path = folder / RECORD_FILE
    if not path.is_file():
        return None
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if (record["hub_id"], record["revision"]) == (hub_id, revision):
            return str(record["commit"])
        holds = f"holds {record['hub_id']} ({record['revision']}), not {hub_id} ({revision})"
    except (ValueError, TypeError, KeyError):
        holds = "is no record of a fetch"
    raise SoundmindError(f"{path}: {holds}", f"Remove {folder}, or fetch into another folder.")


def _record(folder: Path, record: dict[str, str]) -> None:
    with atomic_path(folder / RECORD_FILE) as path:
        path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")


def _missing(hub_id: str, folder: Path, commit: str, patterns: list[str] | None) -> list[str]:
    """Files of the commit that the folder should hold and does not.

    The library takes a folder for complete that it could not compare with the hub.
    """
    from huggingface_hub import get_cached_repo_tree
    from huggingface_hub.errors import CachedRepoTreeNotFoundError
    from huggingface_hub.utils import filter_repo_objects

    try:
        tree = get_cached_repo_tree(hub_id, repo_type="dataset", revision=commit, local_dir=folder)
    except CachedRepoTreeNotFoundError:
        return ["the hub's list of its files"]
    wanted = list(filter_repo_objects((file.path for file in tree), allow_patterns=patterns))
    return (
        [path for path in wanted if not (folder / path).is_file()]
        if wanted
        else [f"any of {', '.join(patterns or ['*'])}"]
    )


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0]}" if text else type(error).__name__
