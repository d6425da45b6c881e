import importlib.util
import io
import json
import sys
import tempfile
from pathlib import Path

import pytest
import torch

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
TINY = {"prompts": 2, "problems": 1, "micro_prompts": 1, "minibatches": 2, "hidden": 32, "ffn": 64}
TINY |= {"samples": 2, "new_tokens": 4}


@pytest.fixture(scope="module")
def bench():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        yield importlib.import_module("step_vs_trl")


@pytest.fixture(scope="module")
def sides(bench):
    return sys.modules["_step_sides"]


@pytest.fixture(scope="module")
def policy(sides):
    case = sides.Case(**TINY)
    questions, texts = sides.make_questions(case)
    return case, questions, *sides.make_policy(case, texts)


def test_qwen2_computes_what_the_thinker_computes(sides, policy):
    *_, thinker, _ = policy
    token_ids = torch.arange(40, 60).unsqueeze(0)
    with torch.no_grad():
        ours, theirs = (model(input_ids=token_ids).logits for model in (thinker, sides.as_qwen2(thinker)))
    torch.testing.assert_close(theirs, ours, rtol=1e-5, atol=1e-5)


def test_trl_reads_the_prompts_that_we_read(sides, policy):
    case, questions, _, processor = policy
    for token_ids in sides.make_prompts(case, processor, questions):
        assert processor.tokenizer(processor.tokenizer.decode(token_ids))["input_ids"] == list(token_ids)


def test_the_model_cannot_end_its_turn(policy):
    *_, thinker, processor = policy
    assert processor.tokenizer.eos_token_id >= thinker.config.text_config.vocab_size


def test_prompts_of_several_problems_share_none(sides):
    questions, _ = sides.make_questions(sides.Case(prompts=2, problems=3, micro_prompts=1))
    single, _ = sides.make_questions(sides.Case(prompts=6, problems=1, micro_prompts=1))
    parts = single["user_content"].tolist()
    assert questions["user_content"].tolist() == [" ".join(parts[0::2]), " ".join(parts[1::2])]


def test_both_sides_divide_a_round_alike(bench, sides):
    for case in bench.CASES.values():
        trl = sides.trl_arguments(case, "", checkpointing=False)
        step = trl["per_device_train_batch_size"] * trl["gradient_accumulation_steps"]
        assert step * case.minibatches == case.prompts * case.samples
        assert trl["per_device_train_batch_size"] * trl["steps_per_generation"] == case.prompts * case.samples
        ours = sides.our_params(case, longest=30)
        assert ours.micro_batch_tokens // (30 + case.samples * case.new_tokens) == case.micro_prompts
        assert (ours.prompts_per_step, ours.minibatches) == (case.prompts, case.minibatches)


def test_ratios_are_medians_of_pairs(bench):
    def rows(*figures):
        return [dict(zip(("cpu", "wall", "growth"), row, strict=True)) for row in figures]

    result = bench.summarise(
        {"ours": rows((1, 2, 50), (2, 2, 60), (4, 4, 60)), "trl": rows((3, 8, 90), (4, 2, 120), (4, 4, 80))}
    )
    assert result["ours"] == {"cpu": 2, "wall": 2, "growth": 60}
    # CPU 3, 2, 1; wall 4, 1, 1.
    assert result["trl"] == {"cpu": 4, "wall": 4, "growth": 120, "cpu_ratio": 2, "wall_ratio": 1, "growth_ratio": 0.5}


def test_stopwatch_tells_the_peak_of_memory_and_ends_with_its_commands(sides):
    answers = io.StringIO()
    watch = sides.Stopwatch(io.StringIO("go\n"), answers)
    watch.begin()
    assert float(torch.ones(16 << 20)[0]) == 1.0  # 64 MB, gone at once
    watch.end(4.0)
    with pytest.raises(SystemExit):
        watch.begin()
    ready, row, again = map(json.loads, answers.getvalue().splitlines())
    assert ready == again == {"ready": True}
    assert row["length"] == 4.0
    assert 60 < row["growth"] < 200


def test_our_side_runs_rounds_on_demand(bench, sides):
    with tempfile.TemporaryFile("w+") as errors:
        side = bench.Side("ours", sides.Case(**TINY), errors)
        rows = [side.round() for _ in range(2)]
        side.close()
    assert [row["length"] for row in rows] == [4.0, 4.0]
    assert all(row["cpu"] > 0 and row["growth"] > 0 for row in rows)


def test_a_side_that_fails_says_why(bench, sides):
    with tempfile.TemporaryFile("w+") as errors, pytest.raises(RuntimeError, match="micro_batch_tokens"):
        bench.Side("ours", sides.Case(**TINY | {"micro_prompts": 0}), errors)


@pytest.mark.skipif(importlib.util.find_spec("trl") is None, reason="trl is not installed (extra bench)")
def test_a_tiny_comparison(bench, sides):
    result = bench.compare(sides.Case(**TINY), pairs=1, warm_up=0)
    assert set(result) == set(bench.SIDES)
    assert result["trl"]["cpu_ratio"] > 0 < result["trl"]["growth_ratio"]
    assert "trl_checkpointing" in bench.table("tiny", result)
