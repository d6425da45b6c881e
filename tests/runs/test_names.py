from datetime import datetime

import pytest

from soundmind_pipeline.runs.names import conf_hash, configuration_tags, parent_runs, run_name, seeds

NOW = datetime(2026, 11, 3, 18, 42, 7)
RL = {"rl.algorithm.name": "grpo", "rl.seed": 3, "evaluation.seed": 0}


@pytest.mark.parametrize(
    ("pipeline", "env", "parameters", "name"),
    [
        ("rl", "base", RL, "rl grpo seed 3 · 3 Nov 18:42:07"),
        ("rl", "local", {**RL, "sft.seed": 9}, "rl grpo seed 3 · 3 Nov 18:42:07"),
        ("all", "base", {**RL, "sft.seed": 9}, "all grpo seed 3 · 3 Nov 18:42:07"),
        ("sft", "smoke", {"sft.seed": 9, "ingestion.verified.seed": 1}, "sft seed 9 [smoke] · 3 Nov 18:42:07"),
        ("ingestion", "base", {"ingestion.verified.seed": 5}, "ingestion seed 5 · 3 Nov 18:42:07"),
        ("evaluation", "base", {"evaluation.seed": 0}, "evaluation · 3 Nov 18:42:07"),
        ("audit", "base", {}, "audit · 3 Nov 18:42:07"),
    ],
)
def test_the_name_tells_what_ran(pipeline, env, parameters, name):
    assert run_name(pipeline, env, parameters, NOW) == name


def test_the_name_of_a_dvc_experiment_is_in_it():
    assert run_name("rl", "base", RL, NOW, "puffy-daks") == "rl grpo seed 3 puffy-daks · 3 Nov 18:42:07"


def test_the_conf_hash_knows_values_but_no_order():
    assert conf_hash({"a": 1, "b": [2.0]}) == conf_hash({"b": [2.0], "a": 1})
    assert conf_hash({"a": 1}) != conf_hash({"a": 2}) != conf_hash({"b": 2})
    assert len(conf_hash({})) == 64


def test_seeds_are_found_at_any_depth():
    assert seeds({"sft.seed": 1, "ingestion.speech.seed": 2, "x.seed": None, "x.seeds": 3}) == {
        "sft.seed": 1,
        "ingestion.speech.seed": 2,
    }


def test_tags_of_the_same_work_are_the_same():
    one = configuration_tags(RL, {"data/a": "1" * 32, "data/b": "2" * 32})
    assert one == configuration_tags(dict(reversed(RL.items())), {"data/b": "2" * 32, "data/a": "1" * 32})
    other = configuration_tags(RL, {"data/a": "3" * 32})
    assert other["soundmind.inputs_md5"] != one["soundmind.inputs_md5"]
    assert other["soundmind.conf_hash"] == one["soundmind.conf_hash"]
    assert one["soundmind.algorithm"] == "grpo"


def test_each_parent_is_named_once():
    assert parent_runs(["a", None, "b", "a"]) == "a,b"
    assert parent_runs([None]) == ""
