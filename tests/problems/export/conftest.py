"""A project with a small manifest: verified rows, published rows and one without a verdict, all spoken."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from soundmind_pipeline.files import sha256_of
from soundmind_pipeline.problems.construction.prompts import word_prompt
from soundmind_pipeline.problems.params import VerifiedParams
from soundmind_pipeline.problems.published.annotations import Annotation
from soundmind_pipeline.problems.published.premises import Premises
from soundmind_pipeline.problems.schema import SAMPLE_DTYPES
from soundmind_pipeline.problems.sources.rows import sample_row
from soundmind_pipeline.problems.verified.generate import generate_samples


def published(split: str, number: int, answer: str, label: int) -> dict:
    """A row as the reader of published data makes it."""
    prompt = word_prompt(Premises("Every “A” is a B", "x is an A", f'x is a "B" {number}'), "published")
    annotation = Annotation(number, f"9{number:03d}", prompt, answer, label, "integer", None, None)
    origin = {"source": "soundmind", "file": f"{split}.jsonl", "line": number, "teacher": "published"}
    return sample_row(split, annotation, origin) | {"leak_group": "the same premise"}


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's folder, with the clips under ``data``."""
    return tmp_path_factory.mktemp("project")


@pytest.fixture(scope="session")
def _manifest(project: Path) -> pd.DataFrame:
    verified = generate_samples(VerifiedParams(counts={"train": 4, "dev": 2, "test": 2})).to_dict("records")
    rows = [
        *verified,
        published("dev", 1, "Hm.\nAnswer: no, it is\n\n\n\nAnswer: not-entailed.", 1),
        published("dev", 2, "It is not clear to me. Sorry!", 0),
        published("test", 3, "Yes, “x” – so.\n\nAnswer: entailed.", 1),
    ]
    for number, row in enumerate(rows):
        row |= clip(project, f"data/speech/{row['uid']}.wav", "question", 1.0 + number / 10)
        spoken = number % 2 == 0
        row |= clip(project, f"data/answers/{row['uid']}.flac", "answer", 2.0) if spoken else {}
    return pd.DataFrame(rows, columns=list(SAMPLE_DTYPES)).astype(SAMPLE_DTYPES)


def clip(project: Path, name: str, side: str, seconds: float) -> dict:
    """Write a clip; its columns."""
    path = project / name
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.random.default_rng(len(name)).normal(0, 0.1, int(8000 * seconds)), 8000)
    fields = {"audio": name, "sha256": sha256_of(path), "seconds": seconds}
    return {
        f"{side}_{field}": value for field, value in (fields | {"speech_seconds": 0.5, "loudness_db": -20.0}).items()
    }


@pytest.fixture
def manifest(_manifest: pd.DataFrame) -> pd.DataFrame:
    """Eight verified rows and three published ones."""
    return _manifest.copy()


@pytest.fixture
def front_matter() -> Callable[[str], dict]:
    """Reads the front matter of a card."""
    import yaml

    return lambda card: yaml.safe_load(card.split("---\n")[1])
