import pytest

from soundmind_pipeline.evaluation.ablation.findings import judge

ROWS = {name: name for name in ("full", "no_answer", "no_text", "no_audio")}


def arms(seeds=3, spoken=True, accuracy=0.9, **intervals):
    """Arms of ``ablation.json``; those not named lose clearly."""
    cells = {str(seed): {} for seed in range(seeds)}
    full = {"seeds": cells, "spoken": spoken, "mean": {"audio_to_text": {"accuracy": accuracy}}, "against_full": None}
    document = {"full": full}
    for name in ("no_answer", "no_text", "no_audio"):
        low, high = intervals.get(name, (-0.3, -0.2))
        document[name] = {"against_full": {"difference": (low + high) / 2, "ci95": [low, high]}}
    return document


def verdicts(document, start=0.6, rows=ROWS):
    return [finding["reproduces"] for finding in judge(document, rows, start)]


def test_all_four_reproduce():
    findings = judge(arms(), ROWS, 0.6)
    assert [finding["reproduces"] for finding in findings] == [True] * 4
    assert [finding["paper"] for finding in findings] == pytest.approx([-0.2116, -0.3256, -0.1058, 0.1058])
    assert findings[0]["ours"] == pytest.approx(-0.25)
    assert findings[3]["ours"] == pytest.approx(0.25)
    assert findings[0]["why"].startswith("-25.0 points against the full reward, 95% interval -30.0 to -20.0")


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [
        ((-0.05, -0.001), True),
        ((-0.05, 0.05), False),  # the paper's -10.6 points are outside
        ((0.01, 0.05), False),
        ((-0.2, 0.05), None),
    ],
)
def test_an_interval_decides(interval, verdict):
    assert verdicts(arms(no_audio=interval))[2:] == [verdict, verdict]


def test_what_is_not_needed_is_named():
    best = judge(arms(no_audio=(-0.01, 0.01), no_text=(-0.01, 0.01)), ROWS, 0.6)[3]
    assert best["why"] == "The text rewards and the audio rewards can be left out without a loss."


def test_a_ceiling_is_told():
    flat = {"no_text": (-0.001, 0.001), "no_audio": (-0.001, 0.001)}
    assert "reaches 100.0% here, a ceiling" in judge(arms(accuracy=1.0, **flat), ROWS, 0.6)[2]["why"]
    assert "ceiling" not in judge(arms(accuracy=0.9, **flat), ROWS, 0.6)[2]["why"]


def test_unspoken_rollouts_say_nothing_of_audio_and_text():
    assert verdicts(arms(spoken=False)) == [True, None, None, None]


def test_one_seed_or_no_gain_decides_nothing():
    assert verdicts(arms(seeds=1)) == [None] * 4
    assert verdicts(arms(accuracy=0.6)) == [None] * 4


def test_arms_that_did_not_run_are_undecided():
    document = arms()
    del document["no_text"]
    findings = judge(document, {name: name for name in document}, 0.6)
    assert [finding["reproduces"] for finding in findings] == [True, None, True, None]
    assert findings[3]["ours"] is None
    without_full = {name: {"against_full": None} for name in ("no_answer", "no_text")}
    assert verdicts(without_full, rows={name: name for name in without_full}) == [None] * 4
