"""Tables 3 to 7: the paper's numbers, ours, and the same in every format."""

import csv
import io
import json

import pandas as pd
import pytest

from soundmind_pipeline.evaluation.paper_tables import paper_tables, table_files
from soundmind_pipeline.evaluation.statistics import wilson_interval


@pytest.fixture(scope="module")
def index(samples):
    train = samples.assign(split="train", uid="train/" + samples["id"])
    return pd.concat([train, samples]).assign(question_tokens=18, answer_tokens=50)


@pytest.fixture(scope="module")
def files(whole_evaluation, index, ablation):
    return {name: content.decode() for name, content in table_files(whole_evaluation, index, ablation).items()}


def rows_of(files, name):
    return {row["row"]: row for row in csv.DictReader(io.StringIO(files[f"{name}.csv"]))}


def test_every_table_stands_in_every_format(files):
    tables = {f"table_{n}.{suffix}" for n in range(3, 8) for suffix in ("csv", "tex", "html")}
    assert set(files) == tables | {"tables.json", "figure_4_question.svg"}


def test_table_3_has_the_paper_and_this_run(files, index):
    rows = rows_of(files, "table_3")
    assert rows["train, paper"]["rows"] == "5184" and rows["test, paper"]["answer_seconds"] == "586.51"
    assert int(rows["test, ours"]["rows"]) == 60
    entailed = int((index[index["split"] == "test"]["label"] == 1).sum())
    assert int(rows["test, ours"]["entailed"]) == entailed
    assert float(rows["test, ours"]["question_seconds"]) == 3.0
    assert rows["test, ours"]["answer_seconds"] == rows["dev, ours"]["rows"] == ""  # not spoken; no such split


def test_table_4_has_policies_other_models_and_baselines(files, whole_evaluation):
    rows = rows_of(files, "table_4")
    after = rows["after SoundMind-RL"]
    cell = whole_evaluation["policies"]["rl"]["audio_to_text"]
    assert float(after["paper_accuracy"]) == 0.814
    assert [float(after[f"paper_accuracy_{end}"]) for end in ("low", "high")] == list(wilson_interval(534, 656))
    assert float(after["ours_accuracy"]) == cell["accuracy"]
    assert [float(after[f"ours_accuracy_{end}"]) for end in ("low", "high")] == cell["ci95"]
    assert float(rows["change, points"]["paper_accuracy"]) == 0.0381
    assert float(rows["change, points"]["ours_accuracy"]) == whole_evaluation["paired"]["audio_to_text"]["difference"]
    assert float(rows["Gemini-Pro-1.5"]["paper_accuracy"]) == 0.7454 and rows["Gemini-Pro-1.5"]["ours_accuracy"] == ""
    assert rows["baseline: cascade: tiny.en + rl"]["paper_accuracy"] == ""
    assert rows["baseline: cascade: tiny.en + rl"]["ours_problems"] == "60"


@pytest.mark.parametrize(("name", "setting"), [("table_5", "text_to_audio"), ("table_6", "audio_to_audio")])
def test_tables_5_and_6_have_word_error_rates(files, whole_evaluation, name, setting):
    after = rows_of(files, name)["after SoundMind-RL"]
    cell = whole_evaluation["policies"]["rl"][setting]
    assert float(after["ours_wer"]) == cell["spoken"]["wer"]
    assert float(after["ours_accuracy_heard"]) == cell["spoken"]["accuracy_heard"]["accuracy"]
    assert float(after["ours_accuracy"]) == cell["accuracy"]
    assert float(after["paper_wer"]) == {"table_5": 0.0699, "table_6": 0.0895}[name]


def test_table_7_has_the_ablations_means(files):
    rows = rows_of(files, "table_7")
    answer = rows["without answer reward (λ3 = 0)"]
    assert (answer["paper_accuracy"], answer["ours_accuracy"], answer["ours_seeds"]) == ("0.6024", "0.62", "3")
    assert (answer["ours_against_full"], answer["ours_against_full_high"]) == ("-0.31", "-0.27")
    assert rows["half the answer reward"]["paper_accuracy"] == ""  # an arm of ours alone
    assert rows["without audio rewards (λ2 = λ5 = 0)"]["ours_accuracy"] == ""  # one that was not run


def test_what_was_not_run_is_empty_and_says_how_to_fill_it(evaluation, index):
    files = {name: content.decode() for name, content in table_files(evaluation, index, None).items()}
    for name in ("table_5", "table_6", "table_7"):
        rows = rows_of(files, name)
        assert all(not row[column] for row in rows.values() for column in row if column.startswith("ours"))
        assert all(row["paper_accuracy"] for row in rows.values())
    assert "kedro run --pipeline=ablation" in files["table_7.html"]
    assert "evaluation.spoken.problems" in files["table_5.tex"].replace(r"\_", "_")


def in_latex(number):
    return number.replace("%", r"\%").replace("-", "$-$")


def test_formats_agree(whole_evaluation, index, ablation, files):
    document = json.loads(files["tables.json"])
    for table in paper_tables(whole_evaluation, index, ablation):
        rows = list(csv.DictReader(io.StringIO(files[f"{table.name}.csv"])))
        asjson = [
            {name: "" if value is None else str(value) for name, value in row.items()}
            for row in document[table.name]["rows"]
        ]
        assert rows == asjson
        for line in table.lines:
            for cell in line.cells:
                if cell.value is not None:
                    assert f">{cell.text}</data>" in files[f"{table.name}.html"]
                    assert in_latex(cell.text) in files[f"{table.name}.tex"]
                if cell.interval:
                    assert f">{cell.interval_text}</data>" in files[f"{table.name}.html"]
                    assert in_latex(cell.interval_text) in files[f"{table.name}.tex"]


def test_json_names_the_origin_of_each_number(files, whole_evaluation):
    table = json.loads(files["tables.json"])["table_4"]
    after = next(i for i, row in enumerate(table["rows"]) if row["row"] == "after SoundMind-RL")
    assert table["keys"][after] == {
        "ours_accuracy": "policies.rl.audio_to_text.accuracy",
        "ours_problems": "policies.rl.audio_to_text.n",
    }


def test_latex_rows_have_as_many_cells_as_columns(files):
    for n in range(3, 8):
        text = files[f"table_{n}.tex"]
        columns = len(text.split(r"\begin{tabular}{")[1].split("}")[0])
        body = text.split(r"\midrule")[1].split(r"\bottomrule")[0].strip().splitlines()
        assert body
        for row in body:
            assert row.strip().endswith(r"\\")
            assert row.replace(r"\&", "").count("&") == columns - 1
        assert text.count(r"\begin{") == text.count(r"\end{")
        assert text.isascii()
