"""One round of RL: ask, sample (and speak), compare with the SFT policy, score, update."""

import time
from collections.abc import Sequence

import torch
from torch import Tensor

from soundmind_pipeline.training.batching import hash_seed
from soundmind_pipeline.training.engine import PolicyEngine
from soundmind_pipeline.training.params import RlParams
from soundmind_pipeline.training.ranks import Ranks
from soundmind_pipeline.training.reinforce.experience import Reference, score_samples, weigh
from soundmind_pipeline.training.reinforce.figures import sample_figures, speech_figures, token_figures, update_figures
from soundmind_pipeline.training.reinforce.prompts import Question, QuestionSource, with_audio
from soundmind_pipeline.training.reinforce.rollouts import RolloutWorker, Samples, sample_informative
from soundmind_pipeline.training.reinforce.spoken import RolloutSpeaker
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
        speaker: The one that `worker` speaks with; None where nothing is spoken.
    """

    def __init__(
        self,
        engine: PolicyEngine,
        source: QuestionSource,
        worker: RolloutWorker,
        reference: Reference,
        params: RlParams,
        ranks: Ranks,
        speaker: RolloutSpeaker | None = None,
    ) -> None:
        module = engine.module
        assert isinstance(module, PolicyModule)
        self._engine, self._model = engine, module.model
        self._source, self._worker, self._reference = source, worker, reference
        self._params, self._ranks, self._speaker = params, ranks, speaker

    def run(self, step: int) -> dict[str, float]:
        """Run round `step`, counted from 1 (collective); returns its metrics."""
        params, ranks, worker = self._params, self._ranks, self._worker
        sampled_before, seconds_before = worker.tokens, worker.seconds
        with self._engine.gathered():
            samples = self._sample(step)
            after_rollout = time.perf_counter()
            reference, recomputed = self._log_probs(samples)
        after_reference = time.perf_counter()
        samples = worker.hear(samples)
        experience = weigh(samples, reference, params, ranks.device, recomputed)
        after_weighing = time.perf_counter()
        lr = learning_rate(params.schedule, step, params.steps)
        statistics = update_policy(self._engine, experience, params, step, lr)
        seconds = worker.seconds - seconds_before
        tokens, slowest = ranks.totals([worker.tokens - sampled_before])[0], max(ranks.gathered(seconds))
        return {
            **sample_figures(samples, ranks),
            **(speech_figures(samples, self._speaker.take_usage(), ranks) if self._speaker else {}),
            **token_figures(experience, params, ranks),
            **update_figures(statistics),
            "rollout/tokens_per_second": tokens / slowest,
            "rollout/seconds": slowest,
            "train/reference_seconds": after_reference - after_rollout,
            "train/update_seconds": time.perf_counter() - after_weighing,
            "train/lr": lr,
        }

    def _sample(self, step: int) -> Samples:
        params, worker, algorithm = self._params, self._worker, self._params.algorithm
        generator = torch.Generator().manual_seed(hash_seed(params.seed, step, self._ranks.rank))

        def sample(questions: Sequence[Question]) -> Samples:
            samples = worker.sample(with_audio(self._model, questions), params.sampling, generator, aloud=True)
            # Only a total that is to tell tied groups apart needs the speech so early.
            waits = algorithm.dynamic_sampling and algorithm.dynamic_sampling_term == "total"
            return worker.hear(samples) if waits else samples

        def replacement(tied: Sequence[Question], attempt: int) -> list[Question]:
            return self._source.in_place_of(tied, step, attempt)

        questions = self._source.of_round(step)
        if not algorithm.dynamic_sampling:
            return sample(questions)
        term = algorithm.dynamic_sampling_term
        return sample_informative(sample, replacement, questions, term, params.max_resampling)

    def _log_probs(self, samples: Samples) -> tuple[Tensor | None, Tensor | None]:
        """Of the SFT policy and of the live one, each where it is needed; workers speak the while."""
        reference = None
        if self._params.algorithm.needs_reference:
            reference = self._reference.log_probs(samples, self._params, self._worker.banned_ids, self._ranks.device)
        recomputed = None
        if self._params.rollout_engine == "vllm":
            recomputed = score_samples(self._model, samples, self._params, self._worker.banned_ids, self._ranks.device)
        return reference, recomputed
