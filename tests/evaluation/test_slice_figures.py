"""Figures that look into the results."""

import xml.etree.ElementTree as ElementTree

import pandas as pd
import pytest

from soundmind_pipeline.evaluation.slice_figures import (
    draw_controls,
    draw_lengths,
    draw_rewards,
    draw_sampled,
    draw_slices,
    figure_files,
    length_bins,
    natural_order,
)


def texts(svg):
    return [element.text for element in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def test_every_figure_has_a_file_and_repeats_byte_for_byte(whole_evaluation, predictions, histories):
    files = figure_files(whole_evaluation, predictions, *histories)
    assert set(files) == {
        f"{name}.svg"
        for name in ("learning_curves", "accuracy", "forms", "controls", "slices", "lengths", "rewards", "sampled")
    }
    assert files == figure_files(whole_evaluation, predictions, *histories)


def test_what_there_is_nothing_to_draw_of_is_left_out(evaluation, predictions, histories):
    cells = {
        policy: {setting: cell | {"by_duration": {}, "by_difficulty": {}} for setting, cell in settings.items()}
        for policy, settings in evaluation["policies"].items()
    }
    bare = {**evaluation, "controls": {}, "sampled": {}, "policies": cells}
    files = figure_files(bare, predictions, *histories)
    assert not {"controls.svg", "slices.svg", "sampled.svg"} & set(files)
    assert draw_lengths(predictions.head(0)) is None


def test_controls_stand_in_order_and_noise_has_a_curve(whole_evaluation, evaluation):
    shown = texts(draw_controls(whole_evaluation))
    order = ["the right audio", "another voice", "a fifth slower", "a fifth faster", "noise, 20 dB SNR"]
    assert [text for text in shown if text in order] == order
    assert {"clean", "20 dB", "10 dB", "0 dB"} <= set(shown)
    assert "clean" not in texts(draw_controls(evaluation))  # no noise among its controls


def test_slices_have_both_policies(whole_evaluation):
    shown = texts(draw_slices(whole_evaluation))
    assert shown.index("2.1–3.0 s") < shown.index("10.0–12.5 s")
    assert {"after SFT", "after RL", "1", "2"} <= set(shown)


def test_rewards_are_named_and_add_up(whole_evaluation):
    shown = texts(draw_rewards(whole_evaluation))
    assert {"format text", "answer", "length text"} <= set(shown)
    assert "format audio" not in shown  # zero everywhere
    reward = whole_evaluation["policies"]["rl"]["audio_to_text"]["reward"]
    assert f"{reward:.2f}" in shown


def test_sampled_curves_have_every_k(whole_evaluation):
    shown = texts(draw_sampled(whole_evaluation))
    assert {"1", "2", "4", "8", "pass@k, after SFT", "majority@k, after RL"} <= set(shown)


@pytest.mark.parametrize(
    ("tokens", "bins"),
    [([5, 5, 5, 5], [0, 0, 0, 0]), (range(12), [i // 2 for i in range(12)]), ([1, 1, 1, 1, 1, 9], [0, 0, 0, 0, 0, 1])],
)
def test_equal_lengths_share_a_bin(tokens, bins):
    found = length_bins(pd.Series(list(tokens)))
    assert pd.factorize(found)[0].tolist() == bins


def test_labels_are_ordered_by_their_number():
    assert natural_order(["10.2–12.0 s", "2.1–3.0 s", "3.0–10.2 s"]) == ["2.1–3.0 s", "3.0–10.2 s", "10.2–12.0 s"]
    assert natural_order({"10", "9", "other"}) == ["9", "10", "other"]
