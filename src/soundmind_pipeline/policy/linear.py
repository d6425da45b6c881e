"""Matrix products on CPUs, through the faster of the two libraries that torch is built with."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

# oneDNN compiles a kernel for each shape (about 1 ms and 0.5 MB): only numbers of rows that come again are worth it.
ROW_MULTIPLE = 16
# Multiplications below which a call of oneDNN costs more than it saves.
_WORTHWHILE = 1 << 20


def product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """`x Wᵀ + b`, outside of autograd.

    Torch hands float32 products to MKL, which on AMD processors leaves half of each vector register unused, where
    oneDNN uses all of it: 230 against 105 Gflop/s a thread on an EPYC with AVX-512. Both compute in float32, and differ
    by rounding. Large products of `ROW_MULTIPLE` rows or a multiple go to oneDNN, all others torch's own way.

    Args:
        x: `[rows, in]`.
        weight: `[out, in]`, of any strides; a transposed matrix serves as well.
        bias: `[out]`.

    Returns:
        `[rows, out]`.
    """
    if (
        x.device.type == "cpu"
        and x.dtype == weight.dtype == torch.float32
        and x.shape[0] % ROW_MULTIPLE == 0
        and x.numel() * weight.shape[0] >= _WORTHWHILE
        and (linear := _onednn_linear()) is not None
    ):
        output: Tensor = linear(x, weight, bias, "none", [], "")
        return output
    return functional.linear(x, weight, bias)


def _onednn_linear() -> Any:
    """The operator that torch.compile uses for linear layers; None where torch is built without oneDNN."""
    return getattr(torch.ops.mkldnn, "_linear_pointwise", None)
