"""The paper's numbers, as it prints them."""

from soundmind_pipeline.evaluation.paper import ABLATION, OTHER_MODELS, RESULTS, caveats


def test_results_are_the_papers():
    shown = {
        setting: [(f"{100 * r.accuracy:.2f}", None if r.wer is None else f"{100 * r.wer:.2f}") for r in pair]
        for setting, pair in RESULTS.items()
    }
    assert shown == {
        "audio_to_text": [("77.59", None), ("81.40", None)],
        "text_to_audio": [("80.79", "2.18"), ("83.84", "6.99")],
        "audio_to_audio": [("77.59", "2.23"), ("81.40", "8.95")],
    }
    assert {name: f"{100 * r.accuracy:.2f}" for name, r in OTHER_MODELS.items()} == {
        "Qwen2-Audio": "58.23", "Baichuan-Omni-1.5": "70.58", "MiniCPM-o": "73.17", "Gemini-Pro-1.5": "74.54",
    }  # fmt: skip
    assert {name: f"{100 * r.accuracy:.2f}" for name, (_, r) in ABLATION.items()} == {
        "full": "81.40", "no_audio": "70.82", "no_answer": "60.24", "no_text": "48.84",
    }  # fmt: skip


def test_what_cannot_be_compared_is_said(whole_evaluation, evaluation):
    said = {caveat.what: caveat for caveat in caveats(whole_evaluation, verified=True)}
    assert "60 generated problems" in said["problems"].ours and "LogiQA" in said["problems"].paper
    assert "piper en_US-lessac" in said["word error rate"].ours and "tiny.en" in said["word error rate"].ours
    assert "Wilson" in said["uncertainty"].paper
    silent = {caveat.what: caveat for caveat in caveats(evaluation, verified=False)}
    assert "not spoken" in silent["word error rate"].ours
    assert "same published data set" in silent["problems"].ours
