"""Problems of the chosen source, as far as it knows them, and the sound files that come with them."""

import logging
from pathlib import Path

import pandas as pd

from soundmind_pipeline.datasets.raw_folder import RawFolder
from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.pipelines.ingestion.params import IngestionParams, LogiqaParams, SoundmindParams
from soundmind_pipeline.pipelines.ingestion.speaking import Clips

logger = logging.getLogger(__name__)

Collected = tuple[pd.DataFrame, pd.DataFrame, Clips]
"""Text columns of the sample table, null where not known yet; rejected records; sound files by side and uid."""


def collect(raw: RawFolder, params: IngestionParams) -> Collected:
    """Read or generate the problems of ``params.source``.

    Raises:
        SoundmindError: The source is not there, cannot be read, or cannot be fetched.
    """
    if params.source == "soundmind":
        return _read_soundmind(raw, params.soundmind)
    if params.source == "logiqa_nli":
        return _read_logiqa(raw, params.logiqa_nli)
    from soundmind_pipeline.problems.sources.rows import Rejected
    from soundmind_pipeline.problems.verified.generate import generate_triplets

    return generate_triplets(params.verified), Rejected().frame(), {}


def source_folder(raw: RawFolder, params: IngestionParams) -> Path:
    """The folder that the source's sound files must stand in."""
    return raw.find(params.soundmind.folder) if params.source == "soundmind" else raw.path


def _read_soundmind(raw: RawFolder, params: SoundmindParams) -> Collected:
    from soundmind_pipeline.problems.sources.soundmind import read_soundmind

    folder = raw.find(params.folder)
    if params.hub_id:
        from soundmind_pipeline.problems.sources.hub import RECORD_FILE, fetch_soundmind

        if folder.is_dir() and any(folder.iterdir()) and not (folder / RECORD_FILE).exists():
            logger.info("%s was put there by somebody: the hub is not asked for %s.", folder, params.hub_id)
        else:
            fetch_soundmind(params.hub_id, folder, params.audio, params.revision)
    if not folder.is_dir():
        raise SoundmindError(
            f"{folder} does not exist (ingestion.soundmind.folder).",
            hint=f"Link the data there (`ln -s FOLDER {folder}`), or name a data set in ingestion.soundmind.hub_id.",
        )
    rows, rejected, files = read_soundmind(folder, params.splits)
    clips: Clips = {"question": {}, "answer": {}}
    for uid, found in files.items() if params.audio else ():
        for side, file in (("question", found.question), ("answer", found.answer)):
            if file is not None:
                clips[side][uid] = raw.recorded(file)
    return rows, rejected, clips


def _read_logiqa(raw: RawFolder, params: LogiqaParams) -> Collected:
    from soundmind_pipeline.problems.sources.logiqa import read_logiqa_nli

    named = {split: raw.find(name) for split, name in dict(params).items() if name}
    missing = [f"ingestion.logiqa_nli.{split}: {file}" for split, file in named.items() if not file.is_file()]
    if missing or not named:
        listed = "; ".join(missing) or "ingestion.logiqa_nli names no file"
        raise SoundmindError(
            f"LogiQA 2.0-NLI is not there: {listed}.",
            hint="Put its files (https://github.com/csitfun/LogiQA2.0, logiqa2nli) there; null leaves a split out.",
        )
    return *read_logiqa_nli(named), {}
