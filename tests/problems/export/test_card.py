import json

from soundmind_pipeline.problems.export.card import split_facts, write_card


def test_the_facts_of_each_split(manifest):
    facts = split_facts(manifest)
    assert list(facts) == ["train", "dev", "test"]
    dev = facts["dev"]
    assert dev["rows"] == 4 and dev["entailed"] + dev["not_entailed"] == 4
    assert dev["label_conflicts"] == 1 + int(manifest["label_conflict"][4:6].sum())
    assert dev["shared_with_other_splits"] == 2 and facts["test"]["shared_with_other_splits"] == 1
    assert facts["train"]["shared_with_other_splits"] == 0
    rows = manifest[manifest["split"] == "dev"]
    assert dev["question_seconds"] == rows["question_seconds"].mean()
    assert dev["hours"] * 3600 == rows["question_seconds"].sum() + rows["answer_seconds"].sum()


def test_repeated_questions_are_counted_after_the_first(manifest):
    manifest.loc[1:3, "user_content"] = "  Does IT follow?"
    manifest.loc[2, "user_content"] = "does it follow?"
    assert split_facts(manifest)["train"]["duplicate_questions"] == 2


def test_the_front_matter_is_the_hubs(manifest, front_matter):
    fields = front_matter(write_card(manifest, "folder"))
    assert fields["license"] == "other"  # two sources with two licences
    assert fields["size_categories"] == ["n<1K"] and fields["language"] == ["en"]
    assert fields["configs"][0]["data_files"][1] == {"split": "dev", "path": "dev/metadata.jsonl"}
    verified = manifest[manifest["problem"].notna()]
    assert front_matter(write_card(verified, "jsonl"))["license"] == "apache-2.0"
    assert front_matter(write_card(verified, "jsonl"))["configs"][0]["data_files"][2]["path"] == "test.jsonl"
    assert front_matter(write_card(verified, "jsonl", "cc0-1.0"))["license"] == "cc0-1.0"


def test_the_card_tells_how_the_rows_were_made(manifest):
    teacher = {"kind": "endpoint", "model": "deepseek-reasoner", "host": "api.deepseek.com", "prompt_tokens": 7}
    origin = json.loads(manifest["provenance"][0]) | {"teacher": teacher, "speech": {"question": {"engine": "espeak"}}}
    manifest["provenance"] = json.dumps(origin)
    card = write_card(manifest, "folder")
    assert "| teacher | kind endpoint, model deepseek-reasoner, host api.deepseek.com | 11 |" in card
    assert "| speech | question engine espeak | 11 |" in card and "prompt_tokens" not in card
    assert "| source | verified | 11 |" in card


def test_the_card_tells_what_is_wrong(manifest):
    conflicts = int(manifest["label_conflict"].sum())
    assert f"{conflicts} rows are labelled against" in write_card(manifest, "folder")
    clean = manifest[~manifest["label_conflict"]]
    assert "labelled against" not in write_card(clean, "folder")
    assert "agree with LogiQA" in write_card(clean, "folder")
    verified = clean[clean["problem"].notna()]
    assert "agree with LogiQA" not in write_card(verified, "folder")
    assert "decided exactly" in write_card(verified, "folder")


def test_rows_without_speech_have_no_mean(manifest):
    manifest["answer_seconds"] = None
    assert split_facts(manifest.astype({"answer_seconds": "float64"}))["dev"]["answer_seconds"] is None
    assert "| – |" in write_card(manifest.astype({"answer_seconds": "float64"}), "folder")
