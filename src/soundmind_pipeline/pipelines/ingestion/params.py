"""Parameters of the ingestion stage."""

from typing import Literal

from pydantic import Field

from soundmind_pipeline.params import Params
from soundmind_pipeline.problems.construction.params import ColloquializationParams, TeacherParams
from soundmind_pipeline.problems.expectations import ExpectationParams
from soundmind_pipeline.problems.params import VerifiedParams
from soundmind_pipeline.problems.schema import SPLITS
from soundmind_pipeline.speech.audio import Defect
from soundmind_pipeline.speech.params import SpeechParams
from soundmind_pipeline.speech.scan import ScanParams


class SoundmindParams(Params):
    """The published SoundMind data, or data in its layout."""

    folder: str = "soundmind"
    """Folder of the data inside `data/01_raw`; link it there if it stands on another disk."""

    hub_id: str | None = None
    """Name on the Hugging Face hub (`SoundMind-RL/SoundMindDataset`) to fetch into the folder; null fetches
    nothing, and neither is fetched what somebody has put or linked there."""

    revision: str = "main"
    """Branch, tag or commit on the hub."""

    splits: tuple[Literal["train", "dev", "test"], ...] = Field(default=SPLITS, min_length=1)
    """Splits to read; one that the folder lacks is left out."""

    audio: bool = True
    """Whether published sound files are fetched (185 GB) and used; false leaves them alone."""

    speak_missing: bool = True
    """Whether questions without a sound file are spoken by the speech engine; false sets such rows aside."""


class LogiqaParams(Params):
    """LogiQA 2.0-NLI files: JSON Lines of `label`, `major_premise`, `minor_premise` and `conclusion`."""

    train: str | None = "logiqa_nli/train.txt"
    """File of the train split inside `data/01_raw`; null for none."""

    dev: str | None = "logiqa_nli/dev.txt"
    """File of the dev split."""

    test: str | None = "logiqa_nli/test.txt"
    """File of the test split."""


class IngestionParams(Params):
    """Where problems come from, how they are spoken, and what the manifest is held against."""

    source: Literal["verified", "soundmind", "logiqa_nli"] = "verified"
    """Source of the problems: generated ones with proved labels, published ones, or LogiQA's to construct from."""

    soundmind: SoundmindParams = SoundmindParams()
    """Where the published data stand."""

    logiqa_nli: LogiqaParams = LogiqaParams()
    """Where LogiQA's files stand."""

    verified: VerifiedParams = VerifiedParams()
    """The generator of verified problems."""

    colloquialization: ColloquializationParams = ColloquializationParams()
    """Who words the prompts of problems that have none."""

    teacher: TeacherParams = TeacherParams()
    """Who writes the reference answers of problems that have none."""

    speech: SpeechParams = SpeechParams()
    """Who speaks what has no sound file yet."""

    scan: ScanParams = ScanParams()
    """How sound files are examined, and which are set aside."""

    expectations: ExpectationParams = ExpectationParams()
    """Bounds of the expectation suite that guards the manifest."""

    max_quarantined: float = Field(default=0.02, ge=0, le=1)
    """Highest share of rows that may be set aside before the stage fails."""

    fatal_defects: tuple[Defect, ...] = ()
    """Defects of sound files that fail the stage instead of setting the row aside (docs/data.md lists them)."""
