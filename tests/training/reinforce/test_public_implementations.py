"""Agreement with independent public implementations: TRL's loss, called without a trainer, and SciPy's z-score."""

from collections import defaultdict
from types import SimpleNamespace

import pytest
import torch
from scipy.stats import zscore

from soundmind_pipeline.training.reinforce.advantages import subtract_baseline, whiten
from soundmind_pipeline.training.reinforce.losses import batch_totals, policy_loss
from soundmind_pipeline.training.reinforce.params import AlgorithmParams

LENGTH = 9
# What TRL calls the way in which token losses become one.
LOSS_TYPES = {"sequence_mean": "grpo", "constant_length": "dr_grpo", "token_mean": "dapo"}


def random_batch() -> tuple[torch.Tensor, ...]:
    """New, old and reference log-probabilities, advantages and mask; ratios far enough from 1 to meet every clip."""
    generator = torch.Generator().manual_seed(3)
    new, old, reference = (torch.randn(6, LENGTH, generator=generator, dtype=torch.float64) for _ in range(3))
    advantages = torch.randn(6, 1, generator=generator, dtype=torch.float64).expand(6, LENGTH)
    lengths = torch.tensor([9, 3, 1, 7, 5, 9]).unsqueeze(-1)
    return new, old, reference, advantages, torch.arange(LENGTH) < lengths


def trls_loss(log_probs, old, reference, advantages, mask, params: AlgorithmParams) -> tuple[torch.Tensor, dict]:
    """The loss by TRL 1.16, and the metrics that it logs."""
    from trl import GRPOTrainer

    trainer = SimpleNamespace(
        _get_per_token_logps_and_entropies=lambda *_, **__: (log_probs, torch.zeros_like(log_probs), None),
        _metrics=defaultdict(lambda: defaultdict(list)),
        _entropy_bonus_enabled=False,
        accelerator=SimpleNamespace(num_processes=1, gather=lambda each: each, reduce=lambda each, reduction: each),
        args=SimpleNamespace(delta=params.dual_clip, use_bias_correction_kl=False, steps_per_generation=1),
        aux_loss_enabled=False,
        beta=params.kl_beta if params.kl_placement == "loss" else 0.0,
        current_gradient_accumulation_steps=1,
        epsilon_high=params.clip_high,
        epsilon_low=params.clip_low,
        importance_sampling_level="token",
        loss_type=LOSS_TYPES[params.aggregation],
        max_completion_length=LENGTH,
        model=SimpleNamespace(training=True),
        off_policy_mask_threshold=None,
        top_entropy_quantile=1.0,
        use_vllm=False,
    )
    prompt = torch.zeros(len(mask), 0, dtype=torch.long)
    inputs = {
        "prompt_ids": prompt,
        "prompt_mask": prompt,
        "completion_ids": torch.zeros(mask.shape, dtype=torch.long),
        "completion_mask": mask.long(),
        "advantages": advantages,
        "old_per_token_logps": old,
        "ref_per_token_logps": reference,
        "num_items_in_batch": mask.sum(),
    }
    loss = GRPOTrainer._compute_loss(trainer, trainer.model, inputs)
    return loss, {name: values[0] for name, values in trainer._metrics["train"].items()}


# TRL knows no KL loss but k3.
@pytest.mark.parametrize("kl", [{}, {"kl_beta": 0.1, "kl_placement": "loss", "kl_estimator": "k3"}], ids=str)
@pytest.mark.parametrize("dual_clip", [None, 2.0])
@pytest.mark.parametrize("name", ["reinforce_pp", "reinforce_pp_baseline", "grpo", "dr_grpo", "rloo", "dapo"])
def test_loss_gradient_and_clip_fractions_are_trls(name, dual_clip, kl):
    params = AlgorithmParams(name=name, dual_clip=dual_clip, **({"kl_placement": "reward"} | kl))
    new, old, reference, advantages, mask = random_batch()
    mine, theirs = new.clone().requires_grad_(), new.clone().requires_grad_()
    ours = policy_loss(mine, old, advantages, mask, batch_totals(mask, LENGTH), params, reference)
    loss, metrics = trls_loss(theirs, old, reference, advantages, mask, params)
    torch.testing.assert_close(ours.loss, loss, rtol=1e-6, atol=1e-7)
    ours.loss.backward()
    loss.backward()
    torch.testing.assert_close(mine.grad, theirs.grad, rtol=1e-6, atol=1e-7)
    for side in ("low", "high"):
        fraction = ours.statistics[f"clip_fraction_{side}"].item()
        assert fraction > 0 and fraction == pytest.approx(metrics[f"clip_ratio/{side}_mean"], rel=1e-6)


def test_group_norm_and_whitening_are_scipys_z_scores():
    generator = torch.Generator().manual_seed(4)
    rewards = torch.randn(12, generator=generator, dtype=torch.float64)
    scores = zscore(rewards.view(3, 4).numpy(), axis=1, ddof=1).ravel()
    # Ours divides by the standard deviation plus 1e-6.
    torch.testing.assert_close(
        subtract_baseline(rewards, 4, "group_norm"), torch.from_numpy(scores), rtol=1e-5, atol=1e-6
    )
    _, _, _, _, mask = random_batch()
    advantages = torch.randn(mask.shape, generator=generator, dtype=torch.float64)
    expected = torch.from_numpy(zscore(advantages[mask].numpy()))
    torch.testing.assert_close(whiten(advantages, mask)[mask], expected, rtol=1e-9, atol=1e-12)
