import json

import pandas as pd
import pytest
from rich.console import Console

from soundmind_pipeline.evaluation.ablation.arms import arms_of
from soundmind_pipeline.evaluation.ablation.figure import draw_arms
from soundmind_pipeline.evaluation.ablation.page import render_page
from soundmind_pipeline.evaluation.ablation.params import AblationParams
from soundmind_pipeline.evaluation.ablation.results import assemble, parent_metrics
from soundmind_pipeline.evaluation.ablation.statistics import t_interval
from soundmind_pipeline.evaluation.ablation.tables import long_table, print_summary
from soundmind_pipeline.evaluation.paper_tables import ablation_table
from soundmind_pipeline.rewards.params import RewardParams, RewardWeights
from soundmind_pipeline.training.params import RlParams


def accuracy(predictions, **where):
    for column, value in where.items():
        predictions = predictions[predictions[column] == value]
    return predictions["right"].mean()


def test_figures_are_those_of_the_answers(made_up, results):
    predictions, _ = made_up
    arm = results["arms"]["no_answer"]
    by_seed = [accuracy(predictions, arm="no_answer", seed=seed, setting="audio_to_text") for seed in (0, 1, 2)]
    cells = [arm["seeds"][str(seed)]["audio_to_text"] for seed in (0, 1, 2)]
    assert [cell["accuracy"] for cell in cells] == by_seed
    assert all(cell["n"] == 200 and cell["ci95"][0] < cell["accuracy"] < cell["ci95"][1] for cell in cells)
    assert arm["mean"]["audio_to_text"]["accuracy"] == pytest.approx(sum(by_seed) / 3)
    assert arm["ci95"] == list(t_interval(by_seed)) == arm["mean"]["audio_to_text"]["ci95"]
    full = [accuracy(predictions, arm="full", seed=seed, setting="audio_to_text") for seed in (0, 1, 2)]
    against = arm["against_full"]
    assert against["by_seed"] == pytest.approx([a - b for a, b in zip(by_seed, full, strict=True)])
    assert against["difference"] == pytest.approx(sum(against["by_seed"]) / 3)
    assert against["ci95"][0] < against["difference"] < against["ci95"][1] < 0
    assert against["p"] < 0.01
    assert results["arms"]["full"]["against_full"] is None
    assert results["start"]["audio_to_text"]["accuracy"] == accuracy(predictions, arm="sft", setting="audio_to_text")
    assert (results["problems"], results["start"]["paper"]) == (200, 0.7759)


def test_histories_are_summed_up_over_the_last_rounds(results):
    history = results["arms"]["full"]["seeds"]["1"]["history"]
    assert history["steps"] == 10
    assert history["policy/kl"] == pytest.approx((0.6 + 0.7 + 0.8 + 0.9 + 1.0) / 5)


def test_an_algorithm_without_a_kl_penalty_has_no_kl_in_its_history(made_up):
    predictions, histories = made_up
    histories = histories.assign(**{"policy/kl": histories["policy/kl"].where(histories["arm"] != "no_text")})
    mixed = assemble(predictions, histories, arms_of(AblationParams(), RlParams()))
    assert json.loads(json.dumps(mixed, allow_nan=False)) == mixed
    seen = {name: "policy/kl" in arm["seeds"]["0"]["history"] for name, arm in mixed["arms"].items()}
    assert seen == {"full": True, "no_audio": True, "no_text": False, "no_answer": True}
    none = histories.drop(columns="policy/kl")
    results = assemble(predictions, none, arms_of(AblationParams(), RlParams()))
    assert results["arms"]["full"]["seeds"]["0"]["history"]["policy/entropy"] == pytest.approx(0.8)


def test_the_answer_reward_is_found_and_the_audio_rewards_are_not(results):
    verdicts = {finding["claim"]: finding["reproduces"] for finding in results["findings"]}
    assert verdicts["The answer reward matters"] is True
    assert verdicts["The audio rewards matter"] is False
    assert verdicts["The full reward is best"] is False


def test_it_is_json(results):
    assert json.loads(json.dumps(results, allow_nan=False)) == results


def test_algorithms_are_held_to_the_first(made_up):
    predictions, histories = made_up
    names = {"full": "full_reinforce_pp", "no_answer": "full_grpo", "sft": "sft"}
    tables = [table[table["arm"].isin(names)].assign(arm=table["arm"].map(names)) for table in (predictions, histories)]
    ablation = AblationParams(settings=["full"], algorithms=["reinforce_pp", "grpo"])
    results = assemble(*tables, arms_of(ablation, RlParams()))
    assert results["arms"]["full_reinforce_pp"]["against_full"] is None
    assert results["arms"]["full_grpo"]["against_full"]["difference"] < -0.3
    assert results["arms"]["full_grpo"]["label"] == "all five rewards, grpo"
    assert results["arms"]["full_grpo"]["paper"] is None
    first, *_, last = ablation_table(results).lines
    assert [line.cells[1].value is None for line in (first, last)] == [False, False]
    assert (last.label, last.cells[0].value) == ("all five rewards, grpo", None)
    assert results["findings"] == []
    assert "four findings" not in render_page(results, draw_arms(results))


def test_arms_held_to_another_algorithm_say_nothing_of_the_papers_findings(made_up):
    predictions, histories = made_up
    names = {"full": "full_grpo", "no_text": "full_reinforce_pp", "no_audio": "no_answer_grpo"}
    names |= {"no_answer": "no_answer_reinforce_pp", "sft": "sft"}
    tables = [table.assign(arm=table["arm"].map(names)) for table in (predictions, histories)]
    ablation = AblationParams(settings=["full", "no_answer"], algorithms=["grpo", "reinforce_pp"])
    results = assemble(*tables, arms_of(ablation, RlParams()))
    assert results["arms"]["no_answer_reinforce_pp"]["against_full"]["difference"] < -0.3
    assert results["findings"] == []


def test_an_arm_that_is_called_full_but_is_not_the_papers_has_no_number_of_the_papers(made_up):
    mine = RlParams(reward=RewardParams(weights=RewardWeights(answer=3.0)))
    lines = ablation_table(assemble(*made_up, arms_of(AblationParams(), mine))).lines
    assert [(line.label, line.cells[0].value, line.cells[1].value is None) for line in (lines[0], lines[4])] == [
        ("all five rewards", 0.8140, True),
        ("full", None, False),
    ]
    no_answer = next(line for line in lines if line.label.startswith("without answer reward"))
    assert no_answer.cells[1].value is not None  # λ3 = 0 is the paper's row, whatever it was before


def test_one_problem_gives_no_interval_and_no_verdict(made_up):
    tables = [table[table["uid"] == "test/0000"] if "uid" in table else table for table in made_up]
    results = assemble(*tables, arms_of(AblationParams(), RlParams()))
    assert results["arms"]["no_answer"]["against_full"] is None
    assert {finding["reproduces"] for finding in results["findings"]} == {None}


def test_one_seed_has_no_interval(made_up):
    predictions, histories = (table[table["seed"] == 0] for table in made_up)
    results = assemble(predictions, histories, arms_of(AblationParams(), RlParams()))
    assert results["arms"]["full"]["ci95"] is None
    assert "<svg" in draw_arms(results) and "seed 0" in render_page(results, draw_arms(results))
    assert long_table(results).query("seed == 'mean'")["low"].isna().all()


def test_the_table_has_every_seed_and_the_mean(results):
    table = long_table(results)
    assert len(table) == 4 * (3 + 1) * 2
    row = table.query("arm == 'no_text' and seed == '2' and setting == 'text_to_text'").iloc[0]
    assert row["accuracy"] == results["arms"]["no_text"]["seeds"]["2"]["text_to_text"]["accuracy"]
    assert pd.isna(row["paper"])
    assert set(table.query("arm == 'no_text' and setting == 'audio_to_text'")["paper"]) == {0.4884}


def test_the_end_of_a_run_fits_a_terminal(results, tmp_path):
    console = Console(width=80, record=True, file=(tmp_path / "out").open("w"))
    print_summary(console, results, [tmp_path / "ablation.html"])
    text = console.export_text()
    assert "200 held-out problems, 3 seeds" in text
    line = next(line for line in text.splitlines() if line.strip().startswith("without answer reward"))
    assert "60.2%" in line and f"{100 * results['arms']['no_answer']['mean']['audio_to_text']['accuracy']:.1f}%" in line
    assert "The answer reward matters: reproduces." in text
    assert max(map(len, text.splitlines())) <= 80


def test_the_figure_shows_what_is_there(results):
    drawn = draw_arms(results)
    for text in ("without answer reward", "this run", "paper, Qwen2.5-Omni-7B", "SFT policy, where RL starts"):
        assert text in drawn
    assert draw_arms(results) == drawn


def test_the_page_needs_nothing_else(results):
    page = render_page(results, draw_arms(results))
    assert "http" not in page and "<script" not in page
    assert page.count('class="badge good">reproduces') >= 1
    for finding in results["findings"]:
        assert finding["why"].replace("'", "&#39;") in page
    for arm in results["arms"].values():
        assert f"<td>{100 * arm['mean']['audio_to_text']['accuracy']:.1f}%</td>" in page


def test_the_run_of_the_ablation_shows_every_arm(results):
    metrics = parent_metrics(results)
    cell = results["arms"]["no_text"]["mean"]["text_to_text"]
    assert metrics["ablation/no_text/text_to_text/accuracy"] == cell["accuracy"]
    assert "ablation/full/against_full" not in metrics
    assert len(metrics) == 4 * 2 + 3
