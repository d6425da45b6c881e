"""Writing an export: records, sound files, card and checksums, in one folder that appears whole or not at all."""

import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import pandas as pd

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.files import atomic_directory, sha256_of
from soundmind_pipeline.problems.export.card import write_card
from soundmind_pipeline.problems.export.records import published_record
from soundmind_pipeline.problems.schema import ID_PATTERN, SAMPLE_COLUMNS, SPLITS, is_null

Layout = Literal["folder", "jsonl"]

CARD: Final = "README.md"
CHECKSUMS: Final = "SHA256SUMS"
THREADS: Final = 4
"""Clips that are linked or copied and hashed at once; hashing leaves Python's lock, so this follows the disk."""


class Clip(NamedTuple):
    """One sound file of the export."""

    source: Path
    target: str
    """Relative to the export, with forward slashes."""
    sha256: str
    """What the manifest says."""


def export_dataset(
    manifest: pd.DataFrame,
    project: Path,
    out: Path,
    layout: Layout = "folder",
    *,
    link: bool = True,
    force: bool = False,
    license_id: str | None = None,
) -> int:
    """Write a manifest in the published layout.

    Args:
        manifest: The sample table.
        project: What the manifest's sound files are relative to.
        out: The folder to make; it appears when everything in it is written and checked.
        layout: ``folder`` (``<split>/<id>/…``, with speech) or ``jsonl`` (``<split>.jsonl``, annotations alone).
        link: Make hard links to the sound files instead of copies: nothing is doubled, but who changes one changes
            both.
        force: Replace an earlier export in ``out``.
        license_id: The hub's name of the licence on the card; None takes it from the sources.

    Returns:
        The number of sound files.

    Raises:
        SoundmindError: The manifest lacks columns, rows or references; ``out`` holds something; a sound file is missing
            or is not the one that the manifest describes; links cannot be made.
    """
    require_free(out, force)
    _require_manifest(manifest)
    rows = [{str(name): value for name, value in row.items()} for row in manifest.to_dict("records")]
    records = {row["uid"]: published_record(row) for row in rows}
    clips = list(_clips(rows, project)) if layout == "folder" else []
    with atomic_directory(out) as folder:
        sums = _place_clips(clips, folder, link)
        write = _write_folder if layout == "folder" else _write_lines
        write(folder, {split: [row for row in rows if row["split"] == split] for split in SPLITS}, records)
        (folder / CARD).write_text(write_card(manifest, layout, license_id), encoding="utf-8")
        _write_checksums(folder, sums)
    return len(clips)


def require_free(out: Path, force: bool) -> None:
    """Refuse to write over anything but, with ``force``, an earlier export.

    Raises:
        SoundmindError: ``out`` is a file, or a folder that holds something.
    """
    if out.is_dir():
        names = {entry.name for entry in out.iterdir()}
        if not names or (force and {CARD, CHECKSUMS} <= names):
            return
        hint = "Give a new folder to --out, or --force to replace an earlier export."
        if force:
            raise SoundmindError(f"{out}: holds something that is no export of this command", hint=hint)
        raise SoundmindError(f"{out}: is not empty", hint=hint)
    if out.exists() or out.is_symlink():
        raise SoundmindError(f"{out}: is no folder", hint="Give a new folder to --out.")


def _require_manifest(manifest: pd.DataFrame) -> None:
    missing = [name for name in SAMPLE_COLUMNS if name not in manifest.columns]
    if missing:
        raise SoundmindError(f"This is no manifest: columns missing: {', '.join(missing)}", hint="Run the ingestion.")
    if manifest.empty:
        raise SoundmindError("The manifest holds no rows.", hint="Run the ingestion.")
    for row in manifest[["uid", "split", "id"]].itertuples(index=False):
        # Folders are made of these.
        if row.split not in SPLITS or not re.fullmatch(ID_PATTERN, str(row.id)):
            raise SoundmindError(f"{row.uid!r}: split {row.split!r} and id {row.id!r} cannot name a folder")
    # Where file names ignore case, two ids that differ in it would share a folder.
    twice = [uid for uid, count in Counter(manifest["uid"].str.lower()).items() if count > 1]
    if twice:
        raise SoundmindError(f"The manifest holds {len(twice)} ids twice in a split, the first: {twice[0]}")


def _clips(rows: list[dict[str, Any]], project: Path) -> Iterator[Clip]:
    """The sound files of all rows.

    Raises:
        SoundmindError: One is missing; names it and the row.
    """
    for row in rows:
        for side, stem in (("question", "question"), ("answer", f"answer_{row['label']}")):
            recorded = row[f"{side}_audio"]
            if is_null(recorded):
                continue
            source = project / recorded
            if not source.is_file():
                raise SoundmindError(
                    f"{row['uid']}: its {side}_audio is not there: {recorded}", hint="Run the ingestion again."
                )
            target = f"{row['uid']}/{stem}{source.suffix.lower()}"
            yield Clip(source, target, row[f"{side}_sha256"])


def _place_clips(clips: list[Clip], folder: Path, link: bool) -> dict[str, str]:
    """Link or copy every clip and check it; the checksums by target."""
    from tqdm import tqdm

    def place(clip: Clip) -> tuple[str, str]:
        target = folder / clip.target
        target.parent.mkdir(parents=True, exist_ok=True)
        if link:
            _link(clip.source, target)
        else:
            shutil.copyfile(clip.source, target)
        found = sha256_of(target)
        if found != clip.sha256:
            raise SoundmindError(
                f"{clip.source}: is not the file that was ingested (sha256 {found}, the manifest says {clip.sha256})",
                hint="Run the ingestion again.",
            )
        return clip.target, found

    with ThreadPoolExecutor(THREADS) as threads:
        try:
            placed = threads.map(place, clips)
            return dict(tqdm(placed, total=len(clips), desc="Placing speech", unit="clip", disable=None))
        finally:
            threads.shutdown(cancel_futures=True)


def _link(source: Path, target: Path) -> None:
    try:
        # A manifest may name a symbolic link; what it leads to is what is wanted.
        os.link(source.resolve(), target)
    except OSError as error:
        raise SoundmindError(
            f"{source}: cannot be linked into the export ({error.strerror})",
            hint="Hard links stay within one file system: use --copy, or an --out on the same one.",
        ) from error


def _write_folder(
    folder: Path, splits: Mapping[str, list[dict[str, Any]]], records: Mapping[str, dict[str, Any]]
) -> None:
    """``<split>/metadata.jsonl`` and ``<split>/<id>/annotation.json``."""
    for split, rows in splits.items():
        lines = []
        for row in rows:
            record = records[row["uid"]]
            home = folder / split / row["id"]
            home.mkdir(parents=True, exist_ok=True)
            text = json.dumps(record, ensure_ascii=False, indent=2)
            (home / "annotation.json").write_text(text + "\n", encoding="utf-8")
            names = {path.name.split(".")[0]: f"{row['id']}/{path.name}" for path in home.iterdir()}
            lines.append(
                {
                    "id": row["id"],
                    "question_file_name": names.get("question"),
                    "answer_file_name": names.get(f"answer_{row['label']}"),
                    "annotation_question": record["user_content"],
                    "annotation_answer": record["answer"],
                    "label": record["label"],
                }
            )
        if lines:
            _write_json_lines(folder / split / "metadata.jsonl", lines)


def _write_lines(
    folder: Path, splits: Mapping[str, list[dict[str, Any]]], records: Mapping[str, dict[str, Any]]
) -> None:
    """``<split>.jsonl``."""
    for split, rows in splits.items():
        if rows:
            _write_json_lines(folder / f"{split}.jsonl", [records[row["uid"]] for row in rows])


def _write_json_lines(path: Path, objects: list[dict[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps(one, ensure_ascii=False) + "\n" for one in objects)


def _write_checksums(folder: Path, known: Mapping[str, str]) -> None:
    """``SHA256SUMS`` over every file, in the form that ``sha256sum -c`` reads."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    lines = [f"{known.get(name) or sha256_of(folder / name)}  {name}\n" for name in names]
    (folder / CHECKSUMS).write_text("".join(lines), encoding="utf-8")
