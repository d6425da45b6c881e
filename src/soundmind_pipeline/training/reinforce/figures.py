"""The metrics of one round of RL."""

from collections.abc import Mapping, Sequence

from soundmind_pipeline.rewards.scorer import LABELS
from soundmind_pipeline.training.params import RlParams
from soundmind_pipeline.training.ranks import Ranks
from soundmind_pipeline.training.reinforce.experience import Experience
from soundmind_pipeline.training.reinforce.kl import kl_per_token
from soundmind_pipeline.training.reinforce.rollouts import Samples, tied_questions
from soundmind_pipeline.training.reinforce.spoken import SpeechUsage

# Terms of the reward that a text rollout can earn; `speech_figures` has the others.
_TERMS = ("total", "answer", "format_text", "length_text")
# Statistics of the update under the names they are logged by.
_UPDATE = {
    "loss": "policy/loss",
    "kl_loss": "policy/kl_loss",
    "grad_norm": "policy/grad_norm",
    "clip_fraction": "policy/clip_fraction",
    "approx_kl": "policy/approx_kl",
    "ratio": "policy/ratio",
    "agreement": "rollout/log_prob_agreement",
    "disagreement": "rollout/log_prob_difference",
}


def sample_figures(samples: Samples, ranks: Ranks) -> dict[str, float]:
    """Means over the responses of all ranks (collective): `reward/*` and `rollout/*`.

    `reward/accuracy` is the share of right verdicts, also by modality; `rollout/tied_groups` the share of questions
    whose responses all earned the same.
    """
    asked = [question for question in samples.questions for _ in range(samples.n)]
    right = [score.verdict == LABELS[question.label] for score, question in zip(samples.scores, asked, strict=True)]
    sums: dict[str, Sequence[float]] = {
        f"reward/{term}": [getattr(score, term) for score in samples.scores] for term in _TERMS
    }
    sums["reward/accuracy"] = right
    for modality in ("audio", "text"):
        sums[f"reward/{modality}_accuracy"] = [
            hit for hit, question in zip(right, asked, strict=True) if question.modality == modality
        ]
    sums["rollout/length"] = [len(row) for row in samples.completions]
    sums["rollout/truncated"] = [not finished for finished in samples.finished]
    tied = set(tied_questions(samples, "total"))
    sums["rollout/tied_groups"] = [question in tied for question in range(len(samples.questions))]
    return _means(sums, ranks)


def speech_figures(samples: Samples, usage: SpeechUsage, ranks: Ranks) -> dict[str, float]:
    """What speech earned and cost, over all ranks (collective), once it was heard.

    `reward/format_audio` and `reward/length_audio` are means over all responses, `rollout/speech_seconds` (by voice
    activity) and `rollout/not_well_spoken` (a share) over those that were spoken. `rollout/speech_cache_hit_share` is
    the share of chunks that need not be spoken; it and the times depend on the process, not on the job:
    `time/speech_wait_seconds` is what the slowest rank waited, `time/speech_worker_seconds` what all workers took.
    """
    facts = [speech.answer.facts() for speech in samples.speech if speech is not None]
    means = _means(
        {
            "reward/format_audio": [score.format_audio for score in samples.scores],
            "reward/length_audio": [score.length_audio for score in samples.scores],
            "rollout/speech_seconds": [each.speech_seconds for each in facts],
            "rollout/not_well_spoken": [each.defect is not None for each in facts],
        },
        ranks,
    )
    chunks, remembered, worker_seconds = ranks.totals([usage.chunks, usage.remembered, usage.worker_seconds])
    return means | {
        "rollout/speech_cache_hit_share": remembered / max(chunks, 1),
        "time/speech_wait_seconds": max(ranks.gathered(usage.wait_seconds)),
        "time/speech_worker_seconds": worker_seconds,
    }


def token_figures(experience: Experience, params: RlParams, ranks: Ranks) -> dict[str, float]:
    """Means over the sampled tokens of all ranks (collective): `policy/kl` and `policy/entropy`.

    `policy/kl` is the estimator of the algorithm, `policy/entropy` minus the mean log-probability of what was sampled,
    which estimates the entropy without bias.
    """
    tokens = experience.tokens
    sums: dict[str, Sequence[float]] = {"policy/entropy": (-experience.old_log_probs[tokens]).tolist()}
    if experience.reference_log_probs is not None:
        kl = kl_per_token(
            experience.old_log_probs, experience.reference_log_probs, tokens, params.algorithm.kl_estimator
        )
        sums["policy/kl"] = kl[tokens].tolist()
    return _means(sums, ranks)


def update_figures(statistics: Mapping[str, float]) -> dict[str, float]:
    """The statistics of `update_policy` under the names they are logged by."""
    return {name: statistics[key] for key, name in _UPDATE.items()}


def _means(values: Mapping[str, Sequence[float]], ranks: Ranks) -> dict[str, float]:
    """The mean of each list over all ranks; a list that is empty on all of them is left out."""
    totals = ranks.totals([float(sum(each)) for each in values.values()] + [len(each) for each in values.values()])
    sums, counts = totals[: len(values)], totals[len(values) :]
    return {name: total / count for name, total, count in zip(values, sums, counts, strict=True) if count}
