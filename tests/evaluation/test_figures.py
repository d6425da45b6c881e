"""Figures: they show what they are given, and repeat byte for byte."""

import xml.etree.ElementTree as ElementTree

import pandas as pd
import pytest

from soundmind_pipeline.evaluation.figures import draw_accuracy, draw_forms, draw_learning_curves, order_forms
from soundmind_pipeline.evaluation.style import inline_svg


def texts(svg):
    return [element.text for element in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")]


def test_accuracy_shows_both_policies_and_the_best_shortcut(evaluation):
    shown = texts(draw_accuracy(evaluation))
    for policy in ("sft", "rl"):
        for setting in ("audio_to_text", "text_to_text"):
            assert f"{evaluation['policies'][policy][setting]['accuracy']:.1%}" in shown
    assert "best shortcut: connective and signs" in shown
    assert "label prior" in shown


def test_forms_stand_in_order(evaluation):
    forms = order_forms(set(evaluation["policies"]["rl"]["audio_to_text"]["by_form"]))
    shown = [text for text in texts(draw_forms(evaluation)) if text in forms]
    assert shown == forms
    assert order_forms({"DC", "MP", "zz", "AC", "aa"}) == ["MP", "AC", "DC", "aa", "zz"]


def test_curves_leave_out_what_was_not_logged(histories):
    sft, rl = histories
    shown = texts(draw_learning_curves(sft, rl))
    assert "RL: entropy" in shown
    assert {"RL: accuracy on dev", "audio → text", "text → text"} <= set(shown)
    assert "Warm-up: CTC loss" in shown
    without = texts(draw_learning_curves(sft.drop(columns="sft/ctc"), rl.assign(**{"policy/entropy": float("nan")})))
    assert "RL: entropy" not in without
    assert "Warm-up: CTC loss" not in without
    assert "Warm-up: loss" in without


def test_one_step_or_none_is_enough(histories):
    sft, rl = histories
    assert "RL: reward" in texts(draw_learning_curves(sft.head(1), rl.head(1)))
    assert draw_learning_curves(pd.DataFrame({"step": []}), pd.DataFrame({"step": []}))


def test_same_numbers_same_bytes(evaluation, histories):
    assert draw_accuracy(evaluation) == draw_accuracy(evaluation)
    assert draw_learning_curves(*histories) == draw_learning_curves(*histories)


@pytest.mark.parametrize("name", ["accuracy", "other"])
def test_an_inline_figure_points_nowhere_and_takes_the_pages_colour(evaluation, name):
    element = inline_svg(draw_accuracy(evaluation), name, "Accuracy")
    assert element.startswith('<svg role="img" aria-label="Accuracy" viewBox=')
    assert "http" not in element
    assert "currentColor" in element
    root = ElementTree.fromstring(element)
    ids = [node.get("id") for node in root.iter() if node.get("id")]
    assert len(ids) == len(set(ids))
    assert all(identifier.startswith(f"{name}-") for identifier in ids)
    used = {node.get("href") for node in root.iter() if node.get("href")}
    assert {reference.removeprefix("#") for reference in used} <= set(ids)
