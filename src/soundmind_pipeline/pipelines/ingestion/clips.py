"""Every clip of the plan measured: one row a clip, with its defect if it has one."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Final

import pandas as pd

from soundmind_pipeline.speech.audio_folder import AudioFolder
from soundmind_pipeline.speech.cross_checks import with_cross_defects
from soundmind_pipeline.speech.scan import ScanParams
from soundmind_pipeline.speech.scanning import scan_clips

CLIP_DTYPES: Final = {
    "uid": "str",
    "side": "str",
    "path": "str",
    "container": "str",
    "rate": "Int64",
    "channels": "Int64",
    "seconds": "float64",
    "sha256": "str",
    "samples_sha256": "str",
    "peak": "float64",
    "loudness_db": "float64",
    "clipped_share": "float64",
    "offset": "float64",
    "dead_channels": "Int64",
    "speech_seconds": "float64",
    "defect": "str",
    "detail": "str",
}
"""Columns of the clip table: whose clip it is, the file as tables record it, then the fields of ``scan.ClipFacts``."""


def scan_plan(plan: pd.DataFrame, folders: Mapping[str, AudioFolder], source: Path, params: ScanParams) -> pd.DataFrame:
    """Measure every clip of a plan.

    Args:
        plan: Columns ``uid``, ``side`` and ``text``.
        folders: Side → its clips.
        source: The folder that linked clips must stand in, symbolic links followed.
        params: What is tolerated.

    Returns:
        The clip table, columns :data:`CLIP_DTYPES`, in the order of the plan.
    """
    from tqdm import tqdm

    names, places = [], []
    for uid, side in zip(plan["uid"], plan["side"], strict=True):
        folder = folders[side]
        names.append({"uid": uid, "side": side, "path": folder.recorded_path(uid)})
        places.append((folder.path(uid), source if folder.is_linked(uid) else folder.folder))
    facts = tqdm(scan_clips(places, params), total=len(places), desc="Scanning speech", unit="clip", disable=None)
    rows = [{**name, **asdict(found)} for name, found in zip(names, facts, strict=True)]
    clips = pd.DataFrame(rows, columns=list(CLIP_DTYPES)).astype(CLIP_DTYPES)
    return with_cross_defects(clips, plan["text"].tolist(), params).astype(CLIP_DTYPES)
