import json

import pandas as pd
import pytest
from statsmodels.stats.proportion import proportion_confint

from soundmind_pipeline.evaluation.spoken.columns import SPOKEN_COLUMNS
from soundmind_pipeline.evaluation.spoken.figures import spoken_figures

E, N = "entailed", "not entailed"


def row(label, verdict, heard, words=10, errors=(0, 0, 0), **changes):
    """One spoken row; ``errors`` are substitutions, deletions, insertions."""
    facts = dict.fromkeys(SPOKEN_COLUMNS) | {
        "label": label,
        "verdict": verdict,
        "verdict_heard": heard,
        "verdict_heard_lenient": heard,
        "right_heard": heard == (E if label else N),
        "speaker": json.dumps({"engine": "hum 1.0", "seed": 0, "voice": "low"}),
        "recogniser": json.dumps({"recogniser": "ears 1.0", "model": "tiny"}),
        "spoken_speech_seconds": 2.0,
        "words": words,
        "word_substitutions": errors[0],
        "word_deletions": errors[1],
        "word_insertions": errors[2],
        "characters": 5 * words,
        "character_errors": sum(errors),
    }
    return facts | changes


@pytest.fixture
def rows() -> pd.DataFrame:
    return pd.DataFrame(
        [
            row(1, E, E),
            row(1, N, N, words=30, errors=(3, 1, 2)),  # wrong, and heard as it is
            row(0, N, None, errors=(2, 0, 0), spoken_defect="closing_misheard", verdict_heard_lenient=N),
            row(0, None, N, errors=(0, 0, 1), spoken_speech_seconds=4.0),  # badly formed, but understood
            row(0, N, E, words=0),
        ]
    )


def test_figures_of_hand_made_rows(rows):
    figures = spoken_figures(rows)
    assert (figures["words"], figures["substitutions"], figures["deletions"], figures["insertions"]) == (60, 5, 1, 3)
    assert figures["wer"] == 9 / 60  # pooled: not the mean of the rows' rates
    assert figures["cer"] == 9 / 300
    assert figures["accuracy_heard"]["accuracy"] == 2 / 5 and figures["accuracy_heard"]["n"] == 5
    assert figures["heard_as_written"] == 2 / 4
    assert figures["heard_as_written_lenient"] == 3 / 4
    assert figures["not_well_spoken"] == 1 / 5 and figures["defects"] == {"closing_misheard": 1}
    assert figures["speech_seconds"] == pytest.approx(2.4)
    assert figures["speaker"] == "hum 1.0, low" and figures["recogniser"] == "ears 1.0, tiny"
    assert figures["second"] is None


def test_intervals_are_wilson_s(rows):
    figures = spoken_figures(rows)
    assert figures["accuracy_heard"]["ci95"] == pytest.approx(proportion_confint(2, 5, method="wilson"))
    assert figures["heard_as_written_ci95"] == pytest.approx(proportion_confint(2, 4, method="wilson"))


def test_the_second_recogniser_is_reported_beside_the_first(rows):
    second = {
        "second_recogniser": json.dumps({"recogniser": "other ears", "model": "base"}),
        "second_verdict_heard": [E, E, N, None, N],
        "second_words": 20,
        "second_word_errors": [1, 0, 0, 0, 4],
    }
    figures = spoken_figures(rows.assign(**second))["second"]
    assert figures == {"recogniser": "other ears, base", "wer": 5 / 100, "heard_as_written": 3 / 4}


def test_nothing_to_count_is_none(rows):
    figures = spoken_figures(rows.head(0))
    assert figures["wer"] is None and figures["heard_as_written"] is None and figures["speaker"] is None
    assert figures["accuracy_heard"] == {"accuracy": None, "n": 0, "ci95": None}
    badly_formed = spoken_figures(rows[rows["verdict"].isna()])
    assert badly_formed["heard_as_written"] is None and badly_formed["heard_as_written_ci95"] is None
    assert badly_formed["wer"] == 0.1


def test_the_figures_are_json(rows):
    assert json.loads(json.dumps(spoken_figures(rows))) == spoken_figures(rows)
