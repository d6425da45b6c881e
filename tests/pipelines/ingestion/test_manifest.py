import json

import numpy as np
import pandas as pd
import pytest

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.pipelines.ingestion.manifest import join_speech, require_few_quarantined
from soundmind_pipeline.pipelines.ingestion.speaking import plan_questions
from soundmind_pipeline.problems.params import SplitCounts, VerifiedParams
from soundmind_pipeline.problems.schema import SAMPLE_DTYPES
from soundmind_pipeline.problems.verified.generate import generate_samples
from soundmind_pipeline.speech.audio_folder import AudioFolder, write_audio_folder
from soundmind_pipeline.speech.params import SpeechParams


@pytest.fixture(scope="module")
def problems() -> pd.DataFrame:
    return generate_samples(VerifiedParams(counts=SplitCounts(train=4, dev=1, test=1)))


@pytest.fixture
def speech(problems, tmp_path) -> AudioFolder:
    wave = np.full(8000, 0.5, dtype=np.float32)
    write_audio_folder(tmp_path / "speech", ((uid, wave) for uid in problems["uid"]))
    return AudioFolder(tmp_path / "speech", "data/speech")


def test_rows_get_the_facts_of_their_files(problems, speech):
    plan = plan_questions(problems, SpeechParams(words_per_minute=(200, 200), pitch=(40, 40)))
    before = problems.copy()
    manifest, quarantine = join_speech(problems, plan, speech)
    assert manifest.dtypes.astype(str).to_dict() == SAMPLE_DTYPES
    assert manifest["question_seconds"].tolist() == [0.5] * 6
    assert manifest["answer_audio"].isna().all()
    provenance = json.loads(manifest["provenance"][0])
    assert provenance["source"] == "verified"
    assert provenance["speech"].pop("engine").startswith("espeak-ng")
    assert provenance["speech"] == {"voice": "en-us", "words_per_minute": 200, "pitch": 40}
    assert quarantine.empty
    pd.testing.assert_frame_equal(problems, before)


def test_bad_text_is_set_aside_with_column_and_row(problems, speech):
    broken = problems.copy()
    broken.loc[1, "label"] = 7
    broken.loc[2, "provenance"] = "not json"
    broken.loc[3, "uid"] = "../../etc/passwd"
    manifest, quarantine = join_speech(broken, plan_questions(broken, SpeechParams()), speech)
    assert manifest["uid"].tolist() == ["train/0001", "dev/0001", "test/0001"]
    assert quarantine["uid"].tolist() == ["train/0002", "train/0003", "../../etc/passwd"]
    assert quarantine["place"].tolist() == ["verified, row 1", "unknown source, row 2", "verified, row 3"]
    for reason, part in zip(quarantine["reason"], ("label: 7", "provenance: not a JSON object", "uid:"), strict=True):
        assert part in reason
    assert json.loads(quarantine["row"][0])["label"] == 7


def test_the_limit_of_the_quarantine(caplog):
    manifest = pd.DataFrame({"uid": list("abcdefgh")})
    quarantine = pd.DataFrame({"uid": ["x", "y"], "place": "p", "reason": "r", "row": "{}"})
    require_few_quarantined(manifest, quarantine, 0.2)
    assert "2 of 10 rows are in quarantine" in caplog.text
    with pytest.raises(SoundmindError, match=r"2 of 10 rows .*\n  x \(p\): r"):
        require_few_quarantined(manifest, quarantine, 0.19)
    caplog.clear()
    require_few_quarantined(manifest, quarantine.head(0), 0.0)
    assert caplog.text == ""
