import json
from dataclasses import fields

import numpy as np
import pandas as pd
import pytest

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.pipelines.ingestion.clips import CLIP_DTYPES, scan_plan
from soundmind_pipeline.pipelines.ingestion.manifest import (
    join_speech,
    require_few_quarantined,
    require_no_fatal_defect,
)
from soundmind_pipeline.pipelines.ingestion.speaking import plan_clips
from soundmind_pipeline.problems.params import SplitCounts, VerifiedParams
from soundmind_pipeline.problems.schema import SAMPLE_DTYPES
from soundmind_pipeline.problems.verified.generate import generate_samples
from soundmind_pipeline.speech.audio_folder import AudioFolder, write_audio_folder
from soundmind_pipeline.speech.params import SpeechParams
from soundmind_pipeline.speech.scan import ClipFacts, ScanParams


@pytest.fixture(scope="module")
def problems() -> pd.DataFrame:
    return generate_samples(VerifiedParams(counts=SplitCounts(train=4, dev=1, test=1)))


@pytest.fixture
def plan(problems) -> pd.DataFrame:
    return plan_clips(problems, {}, SpeechParams(words_per_minute=(200, 200), pitch=(40, 40)))


@pytest.fixture
def clips(plan, tmp_path) -> pd.DataFrame:
    """The clips of the plan, each 3 s long and of a sound of its own."""
    rng = np.random.default_rng(0)
    waves = ((uid, 0.1 * rng.standard_normal(48_000).astype(np.float32)) for uid in plan["uid"])
    write_audio_folder(tmp_path / "speech", waves)
    folder = AudioFolder(tmp_path / "speech", "data/speech")
    return scan_plan(plan, {"question": folder}, tmp_path, ScanParams(workers=0))


def test_clips_are_described_in_the_order_of_the_plan(plan, clips):
    assert clips["uid"].tolist() == plan["uid"].tolist()
    assert clips.dtypes.astype(str).to_dict() == CLIP_DTYPES
    assert list(CLIP_DTYPES)[3:] == [field.name for field in fields(ClipFacts)]
    assert clips["defect"].isna().all()


def test_rows_get_the_facts_of_their_files(problems, plan, clips):
    before = problems.copy()
    manifest, quarantine = join_speech(problems, plan, clips)
    assert manifest.dtypes.astype(str).to_dict() == SAMPLE_DTYPES
    assert manifest["question_audio"].tolist() == [f"data/speech/{uid}.wav" for uid in problems["uid"]]
    assert manifest["question_seconds"].tolist() == [3.0] * 6
    assert manifest["question_loudness_db"].tolist() == pytest.approx([-20.0] * 6, abs=0.1)
    assert manifest["answer_audio"].isna().all()
    provenance = json.loads(manifest["provenance"][0])
    assert provenance["source"] == "verified"
    assert provenance["speech"].pop("engine").startswith("espeak-ng")
    assert provenance["speech"] == {"seed": 0, "voice": "en-us", "words_per_minute": 200, "pitch": 40}
    assert quarantine.empty
    pd.testing.assert_frame_equal(problems, before)


def test_an_export_that_is_read_back_still_tells_who_speaks(problems, plan, clips):
    exported, _ = join_speech(problems, plan, clips)
    files = plan.assign(file="raw/q.wav", speaker=None)
    again, _ = join_speech(problems.assign(provenance=exported["provenance"]), files, clips)
    first, second = (json.loads(table["provenance"][0])["speech"] for table in (exported, again))
    assert second == first | {"file": "raw/q.wav"}
    odd = problems.assign(provenance=json.dumps({"speech": "by hand"}))
    assert json.loads(join_speech(odd, files, clips)[0]["provenance"][0])["speech"] == {"file": "raw/q.wav"}


def test_bad_text_is_set_aside_with_column_and_row(problems, plan, clips):
    broken = pd.concat([problems, problems.tail(1)], ignore_index=True)
    broken.loc[1, "label"] = 7
    broken.loc[2, "provenance"] = "not json"
    broken.loc[3, "uid"] = "../../etc/passwd"
    manifest, quarantine = join_speech(broken, plan, clips)
    assert manifest["uid"].tolist() == ["train/0001", "dev/0001", "test/0001"]
    assert quarantine["uid"].tolist() == ["train/0002", "train/0003", "../../etc/passwd", "test/0001"]
    assert quarantine["place"].tolist() == [
        "verified, row 1",
        "unknown source, row 2",
        "verified, row 3",
        "verified, row 6",
    ]
    parts = ("label: 7", "provenance: not a JSON object", "uid:", "uid: an earlier row is called test/0001 too")
    for reason, part in zip(quarantine["reason"], parts, strict=True):
        assert part in reason
    assert json.loads(quarantine["row"][0])["label"] == 7


def test_every_row_ends_in_one_of_the_tables_whatever_its_clips_are(problems, plan, clips):
    rejected = pd.DataFrame({"uid": ["train/9"], "place": ["a.jsonl, line 9"], "reason": ["not JSON"], "row": ["null"]})
    facts = clips.assign(defect=["silent", None, None, None, None, None], detail=["no amplitude"] + [None] * 5)
    manifest, quarantine = join_speech(problems, plan, facts.drop(index=2), [rejected])
    assert quarantine["uid"].tolist() == ["train/9", "train/0001", "train/0003"]
    assert quarantine["place"].tolist() == ["a.jsonl, line 9", "data/speech/train/0001.wav", "verified, row 2"]
    assert quarantine["reason"][1] == "question_audio: silent: no amplitude"
    assert quarantine["reason"][2].startswith("question_audio: missing")
    assert len(manifest) + len(quarantine) == len(problems) + 1


def test_fatal_defects(clips):
    require_no_fatal_defect(clips, ("silent",))
    facts = clips.assign(defect=["silent", "clipped", None, None, None, None], detail="so it is")
    require_no_fatal_defect(facts, ("truncated",))
    with pytest.raises(
        SoundmindError, match=r"1 of 6 clips .*\n  data/speech/train/0001\.wav \(train/0001\): silent: so"
    ):
        require_no_fatal_defect(facts, ("silent", "truncated"))


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


def test_many_quarantined_rows_are_counted_by_kind(caplog):
    reasons = ["question_audio: truncated: 3 bytes fewer"] * 3 + ["question_audio: silent: no sample"] * 2
    quarantine = pd.DataFrame({"uid": list("abcde"), "place": "p", "reason": reasons, "row": "{}"})
    require_few_quarantined(pd.DataFrame({"uid": list("xyz")}), quarantine, 1.0)
    assert "(3 × question_audio: truncated, 2 × question_audio: silent)" in caplog.text
