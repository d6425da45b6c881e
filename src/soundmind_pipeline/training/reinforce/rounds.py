"""One round of RL: ask, sample, score, compare with the SFT policy, update."""

import time
from collections.abc import Sequence

import torch

from soundmind_pipeline.training.batching import hash_seed
from soundmind_pipeline.training.engine import PolicyEngine
from soundmind_pipeline.training.params import RlParams
from soundmind_pipeline.training.ranks import Ranks
from soundmind_pipeline.training.reinforce.experience import Experience, Reference, score_samples, weigh
from soundmind_pipeline.training.reinforce.figures import sample_figures, token_figures, update_figures
from soundmind_pipeline.training.reinforce.prompts import Question, QuestionSource, with_audio
from soundmind_pipeline.training.reinforce.rollouts import RolloutWorker, Samples, sample_informative
from soundmind_pipeline.training.reinforce.update import PolicyModule, update_policy
from soundmind_pipeline.training.schedules import learning_rate


class Rounds:
    """Runs single rounds; what a round does is a function of the weights, the seed and its number.

    Args:
        engine: Drives a `PolicyModule`.
        source: Gives the questions.
        worker: Samples the live policy and scores.
        reference: The SFT policy.
        params: The job.
        ranks: The processes.
    """

    def __init__(
        self,
        engine: PolicyEngine,
        source: QuestionSource,
        worker: RolloutWorker,
        reference: Reference,
        params: RlParams,
        ranks: Ranks,
    ) -> None:
        module = engine.module
        assert isinstance(module, PolicyModule)
        self._engine, self._model = engine, module.model
        self._source, self._worker, self._reference = source, worker, reference
        self._params, self._ranks = params, ranks

    def run(self, step: int) -> dict[str, float]:
        """Run round `step`, counted from 1 (collective); returns its metrics."""
        params, ranks, worker = self._params, self._ranks, self._worker
        sampled_before, seconds_before = worker.tokens, worker.seconds
        with self._engine.gathered():
            samples = self._sample(step)
            after_rollout = time.perf_counter()
            experience = self._experience(samples)
        after_reference = time.perf_counter()
        lr = learning_rate(params.schedule, step, params.steps)
        statistics = update_policy(self._engine, experience, params, step, lr)
        seconds = worker.seconds - seconds_before
        tokens, slowest = ranks.totals([worker.tokens - sampled_before])[0], max(ranks.gathered(seconds))
        return {
            **sample_figures(samples, ranks),
            **token_figures(experience, params, ranks),
            **update_figures(statistics),
            "rollout/tokens_per_second": tokens / slowest,
            "rollout/seconds": slowest,
            "train/reference_seconds": after_reference - after_rollout,
            "train/update_seconds": time.perf_counter() - after_reference,
            "train/lr": lr,
        }

    def _sample(self, step: int) -> Samples:
        params = self._params
        generator = torch.Generator().manual_seed(hash_seed(params.seed, step, self._ranks.rank))

        def sample(questions: Sequence[Question]) -> Samples:
            return self._worker.sample(with_audio(self._model, questions), params.sampling, generator)

        def replacement(tied: Sequence[Question], attempt: int) -> list[Question]:
            return self._source.in_place_of(tied, step, attempt)

        questions = self._source.of_round(step)
        if not params.algorithm.dynamic_sampling:
            return sample(questions)
        term = params.algorithm.dynamic_sampling_term
        return sample_informative(sample, replacement, questions, term, params.max_resampling)

    def _experience(self, samples: Samples) -> Experience:
        reference = None
        if self._params.algorithm.needs_reference:
            reference = self._reference.log_probs(samples, self._params, self._worker.banned_ids, self._ranks.device)
        recomputed = None
        if self._params.rollout_engine == "vllm":
            recomputed = score_samples(self._model, samples, self._params, self._worker.banned_ids, self._ranks.device)
        return weigh(samples, reference, self._params, self._ranks.device, recomputed)
