import json

import pytest

from soundmind_pipeline.audit.run import audit_files
from soundmind_pipeline.errors import SoundmindError


@pytest.fixture
def small(tmp_path, make_annotation, make_prompt, write_rows):
    return write_rows(
        tmp_path / "dev.jsonl",
        make_annotation(id="a"),
        make_annotation(id="b", label="0", user_content=make_prompt("B"), verdict="not entailed"),
        "",
        make_annotation(id="b", label=1, user_content=make_prompt("C"), verdict="not-entailed"),
        make_annotation(id=None, label=True, answer="hm"),
        make_annotation(label=3),
        make_annotation(user_content=None),
        "[]",
    )


def test_the_documented_keys_by_hand(small):
    audit, rows = audit_files({"dev": small})
    split = audit["splits"]["dev"]
    assert (split["lines"], split["rows"], split["entailed"], split["not_entailed"]) == (7, 4, 3, 1)
    assert split["label_conflicts"] == 1 and split["label_conflict_spellings"] == {"not-entailed": 1}
    assert split["label_conflict_rows"] == [
        {"line": 4, "id": "b", "label": 1, "verdict": "not entailed", "spelling": "not-entailed"}
    ]
    assert split["duplicate_questions"] == 1
    assert [(bad["line"], bad["reason"][:11]) for bad in split["bad_rows"]] == [
        (6, 'key "label"'),
        (7, 'key "user_c'),
        (8, "not a JSON "),
    ]
    assert split["no_verdict_rows"] == [
        {"line": 5, "id": None, "label": 1, "reason": "no_marker", "verdict_lenient": None, "ending": "hm"}
    ]
    assert (split["no_verdict"], split["rows_without_id"], split["duplicate_ids"]) == (1, 1, ["b"])
    assert split["label_types"] == {"integer": 2, "string": 1, "boolean": 1}
    assert split["paper"]["rows"] == 606 and split["source"] is None
    assert audit["cross_split"] == {} and audit["source"] is None
    assert len(rows["dev"]) == 4
    assert json.loads(json.dumps(audit, allow_nan=False)) == audit


def test_every_pair_of_splits_in_the_order_given(small):
    audit, _ = audit_files({"train": small, "dev": small, "test": small}, [])
    assert list(audit["cross_split"]) == ["train__dev", "train__test", "dev__test"]
    assert {pair["shared_questions"] for pair in audit["cross_split"].values()} == {3}
    assert {pair["shared_major_premises"] for pair in audit["cross_split"].values()} == {3}


def test_a_token_counter_counts_tokens_and_not_words(small):
    audit, _ = audit_files({"dev": small}, count_tokens=len, token_unit="characters")
    statistics = audit["splits"]["dev"]["statistics"]
    assert audit["token_unit"] == "characters"
    assert statistics["answer_tokens"]["min"] == 2 and statistics["answer_words"]["min"] == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [("", "(it is empty)"), ("\n\n", "(it is empty)"), ("{}\n{}\n", 'line 1: key "label"'), ("x", "line 1: not JSON")],
)
def test_a_file_without_a_usable_row_is_an_error(tmp_path, content, message):
    path = tmp_path / "dev.jsonl"
    path.write_text(content)
    with pytest.raises(SoundmindError, match=r"dev\.jsonl: holds no annotation") as error:
        audit_files({"dev": path})
    assert message in str(error.value) and error.value.hint


def test_progress_reaches_the_end_of_each_phase(small):
    told = {}
    audit_files({"dev": small, "test": small}, on_progress=lambda what, done, total: told.update({what: (done, total)}))
    assert told["reading dev.jsonl"] == (small.stat().st_size,) * 2
    assert told["duplicates in dev"] == (3, 3)
