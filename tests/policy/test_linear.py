import pytest
import torch
from torch.nn import functional

from soundmind_pipeline.policy import linear
from soundmind_pipeline.policy.linear import ROW_MULTIPLE, product


@pytest.mark.parametrize("rows", [1, 64, 100])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_it_is_torchs_linear(rows, transposed, bias):
    torch.manual_seed(0)
    x = torch.randn(rows, 128)
    weight = torch.randn(128, 192).T if transposed else torch.randn(192, 128)
    offset = torch.randn(192) if bias else None
    torch.testing.assert_close(product(x, weight, offset), functional.linear(x, weight, offset), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(
    ("rows", "inner", "outer", "dtype", "chosen"),
    [
        (64, 128, 128, torch.float32, True),
        (65, 128, 128, torch.float32, False),  # a kernel that would hardly be used again
        (ROW_MULTIPLE, 32, 32, torch.float32, False),  # too small to pay
        (64, 128, 128, torch.bfloat16, False),  # torch has its own way
        (64, 128, 128, torch.float64, False),
    ],
)
def test_what_goes_to_onednn(monkeypatch, rows, inner, outer, dtype, chosen):
    calls = []

    def spy(x, weight, bias, *rest):
        calls.append(x.shape)
        return functional.linear(x, weight, bias)

    monkeypatch.setattr(linear, "_onednn_linear", lambda: spy)
    product(torch.ones(rows, inner, dtype=dtype), torch.ones(outer, inner, dtype=dtype))
    assert bool(calls) == chosen


def test_without_onednn_it_is_torchs(monkeypatch):
    monkeypatch.setattr(linear, "_onednn_linear", lambda: None)
    x, weight = torch.randn(64, 128), torch.randn(128, 128)
    assert torch.equal(product(x, weight), functional.linear(x, weight))
