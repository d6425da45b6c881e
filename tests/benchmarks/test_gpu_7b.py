import importlib
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.fixture(scope="module")
def bench():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCHMARKS)
        yield importlib.import_module("gpu_7b")


def test_it_runs_at_nano_size_on_a_cpu(bench, capsys):
    words = "--size nano --device cpu --prompts 2 --samples 2 --new-tokens 6 --audio-seconds 2 --rounds 1"
    result = bench.measure(bench.parse([*words.split(), "--micro-batch-tokens", "200"]))
    assert result["device"] == "CPU" and result["attention"] == "sdpa"
    assert result["prompt_tokens"] == 50 + bench.TEXT_TOKENS
    assert set(result["seconds"]) == set(bench.PARTS)
    assert all(seconds > 0 for seconds in result["seconds"].values())
    assert 0 < result["of_limit"] < 1
    assert "ratio" not in result["memory_gb"]  # only a GPU tells its peaks
    bench.print_table(result)
    assert "tokens/s" in capsys.readouterr().out


def test_it_says_that_there_is_no_gpu(bench, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["gpu_7b.py"])
    monkeypatch.setattr(bench.torch.cuda, "is_available", lambda: False)
    bench.main()
    assert "nothing is measured" in capsys.readouterr().out
