"""Sampled responses to questions, and their scores."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from soundmind_pipeline.policy.folder import Policy
from soundmind_pipeline.policy.params import SamplingParams
from soundmind_pipeline.policy.processor import AudioTextProcessor
from soundmind_pipeline.policy.prompts import Prompt
from soundmind_pipeline.policy.rollout.engine import SharedPrefixEngine
from soundmind_pipeline.policy.rollout.rollouts import RolloutEngine
from soundmind_pipeline.rewards.scorer import Score, Scorer
from soundmind_pipeline.training.params import RlParams
from soundmind_pipeline.training.pulse import beat
from soundmind_pipeline.training.reinforce.prompts import Question
from soundmind_pipeline.training.reinforce.sampling import informative_rows
from soundmind_pipeline.training.reinforce.spoken import PendingSpeech, RolloutSpeaker, SpokenResponse


@dataclass(frozen=True)
class Samples:
    """Responses to some questions, `n` a question, those of the first question first."""

    questions: list[Question]
    """The questions, one for each n responses."""
    n: int
    """Responses a question."""
    completions: list[list[int]]
    """Token ids, end of turn included."""
    log_probs: list[Tensor]
    """Log-probability of each token under the policy that sampled it, float32 `[length]` each."""
    finished: list[bool]
    """Whether the response ended by itself."""
    scores: list[Score]
    """The scorer's terms: of the text, and after `RolloutWorker.hear` also of the speech."""
    speech: list[SpokenResponse | None]
    """The responses as they are spoken; None for those that are not."""

    @property
    def prompts(self) -> list[Prompt]:
        """The prompt of each response; responses to one question share the object."""
        return [question.prompt for question in self.questions for _ in range(self.n)]

    def rows_of(self, questions: Sequence[int]) -> list[int]:
        """The rows of some questions, given by index."""
        return [question * self.n + sample for question in questions for sample in range(self.n)]

    def of(self, questions: Sequence[int]) -> "Samples":
        """The responses to some of the questions, given by index."""
        rows = self.rows_of(questions)
        return Samples(
            [self.questions[question] for question in questions],
            self.n,
            [self.completions[row] for row in rows],
            [self.log_probs[row] for row in rows],
            [self.finished[row] for row in rows],
            [self.scores[row] for row in rows],
            [self.speech[row] for row in rows],
        )

    def __add__(self, other: "Samples") -> "Samples":
        return Samples(
            self.questions + other.questions,
            self.n,
            self.completions + other.completions,
            self.log_probs + other.log_probs,
            self.finished + other.finished,
            self.scores + other.scores,
            self.speech + other.speech,
        )


@contextmanager
def rollout_engine(policy: Policy, params: RlParams) -> Iterator[RolloutEngine]:
    """The engine of `params.rollout_engine` around the live policy; what it holds is given back at the end.

    Raises:
        SoundmindError: vLLM is asked for but not installed.
    """
    if params.rollout_engine == "shared_prefix":
        cache_bytes = int(params.rollout_cache_gb * 1e9)
        yield SharedPrefixEngine(policy.model, policy.processor, max_cache_bytes=cache_bytes)
        return
    from soundmind_pipeline.policy.rollout.vllm_engine import VllmEngine

    with closing(VllmEngine(policy.model, policy.processor, params.vllm)) as engine:
        yield engine


class RolloutWorker:
    """Samples responses of the live policy and scores them.

    Args:
        engine: The rollout engine around the live policy.
        processor: Decodes responses.
        scorer: The scorer.
        speaker: Speaks the responses that are sampled aloud; None speaks none.
    """

    def __init__(
        self,
        engine: RolloutEngine,
        processor: AudioTextProcessor,
        scorer: Scorer,
        speaker: RolloutSpeaker | None = None,
    ) -> None:
        self._engine = engine
        self._tokenizer = processor.tokenizer
        self._scorer, self._speaker = scorer, speaker
        self.tokens = 0
        """Tokens sampled so far."""
        self.seconds = 0.0
        """Seconds spent in sampling them."""

    @property
    def banned_ids(self) -> tuple[int, ...]:
        """Token ids that are never sampled."""
        return self._engine.banned_ids

    def sample(
        self,
        questions: Sequence[Question],
        sampling: SamplingParams,
        generator: torch.Generator | None = None,
        aloud: bool = False,
    ) -> Samples:
        """Sample `sampling.n` responses to each question and score their text.

        Aloud, the responses begin to be spoken; `hear` waits for them.
        """
        started = time.perf_counter()
        beat("rollouts")
        rollouts = self._engine.generate([question.prompt for question in questions], sampling, generator)
        self.seconds += time.perf_counter() - started
        self.tokens += rollouts.tokens
        decoded = self._tokenizer.batch_decode(rollouts.completions, skip_special_tokens=True)
        texts = [text.strip() for text in decoded]
        asked = [question for question in questions for _ in range(sampling.n)]
        scores = [
            self._scorer.score(text, question.label, question.reference)
            for text, question in zip(texts, asked, strict=True)
        ]
        speech: list[SpokenResponse | None] = [None] * len(texts)
        if aloud:
            speech = self._begin_speech(questions, texts, scores)
        return Samples(
            list(questions), sampling.n, rollouts.completions, rollouts.log_probs, rollouts.finished, scores, speech
        )

    def hear(self, samples: Samples) -> Samples:
        """The samples with the scores that their speech earns; waits until all is said.

        Raises:
            SoundmindError: A speaking process died.
        """
        if self._speaker is None:
            return samples
        asked = [question for question in samples.questions for _ in range(samples.n)]
        scores = list(samples.scores)
        for row, (question, speech) in enumerate(zip(asked, samples.speech, strict=True)):
            if speech is None:
                continue
            beat("speech")  # for each: a round of long answers may take longer than a rank may be silent
            spoken, annotated = self._speaker.wait(speech.answer), self._speaker.wait(speech.reference)
            # What is not well spoken counts as not spoken: it earns neither of the audio terms.
            seconds = spoken.speech_seconds if spoken.defect is None else None
            scores[row] = self._scorer.score(
                speech.text, question.label, question.reference, seconds, annotated.speech_seconds
            )
        return replace(samples, scores=scores)

    def _begin_speech(
        self, questions: Sequence[Question], texts: Sequence[str], scores: Sequence[Score]
    ) -> list[SpokenResponse | None]:
        """Begin to speak the responses whose speech can earn anything, and their references."""
        if self._speaker is None:
            return [None] * len(texts)
        speaker, any_form = self._speaker, self._scorer.params.shaping.length_without_format
        references: dict[int, PendingSpeech] = {}
        speech: list[SpokenResponse | None] = []
        for row, (text, score) in enumerate(zip(texts, scores, strict=True)):
            closes = score.verdict is not None
            if not (closes or any_form):
                speech.append(None)
                continue
            number = row * len(questions) // len(texts)
            if number not in references:
                references[number] = speaker.say(questions[number].reference, closes=False)
            speech.append(SpokenResponse(text, speaker.say(text, closes), references[number]))
        return speech


def tied_questions(samples: Samples, term: str) -> list[int]:
    """Indices of the questions whose responses all earned the same of one reward term (`total`, `answer`)."""
    if not samples.questions:
        return []
    differs = informative_rows(torch.tensor([getattr(score, term) for score in samples.scores]), samples.n)
    return [question for question in range(len(samples.questions)) if not differs[question * samples.n]]


def sample_informative(
    sample: Callable[[Sequence[Question]], Samples],
    replacement: Callable[[Sequence[Question], int], list[Question]],
    questions: Sequence[Question],
    term: str,
    attempts: int,
) -> Samples:
    """Dynamic sampling (DAPO, arXiv 2503.14476, eq. 11): sample until each question's responses differ in reward.

    Args:
        sample: Samples and scores responses.
        replacement: Other questions in place of those given, for an attempt counted from 1.
        questions: The questions to begin with.
        term: The reward term that must differ, `total` or `answer`.
        attempts: How often to sample at most.

    Returns:
        As many questions as were given; where attempts ran out, the last tied ones are among them.
    """
    kept: Samples | None = None
    for attempt in range(1, attempts + 1):
        fresh = sample(questions)
        tied = set(tied_questions(fresh, term))
        last = attempt == attempts
        good = fresh if last else fresh.of([i for i in range(len(questions)) if i not in tied])
        kept = good if kept is None else kept + good
        if last or not tied:
            break
        questions = replacement([fresh.questions[i] for i in sorted(tied)], attempt)
    assert kept is not None
    return kept
