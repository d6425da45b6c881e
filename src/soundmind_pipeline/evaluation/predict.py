"""Putting held-out problems to a policy: a greedy answer, or several drawn at random, to each problem, scored."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from tqdm import tqdm

from soundmind_pipeline.evaluation.answer_store import Answers, AnswerStore, batch_key
from soundmind_pipeline.evaluation.conditions import Condition
from soundmind_pipeline.evaluation.controls import shuffled_uids
from soundmind_pipeline.evaluation.marking import mark
from soundmind_pipeline.evaluation.params import EvaluationParams, SampledParams

if TYPE_CHECKING:
    import torch

    from soundmind_pipeline.policy.folder import ModelFolder, Policy
    from soundmind_pipeline.policy.params import SamplingParams
    from soundmind_pipeline.policy.processor import AudioTextProcessor
    from soundmind_pipeline.policy.prompts import Modality, Prompt, PromptEncoder
    from soundmind_pipeline.policy.rollout.engine import SharedPrefixEngine
    from soundmind_pipeline.rewards.params import RewardParams
    from soundmind_pipeline.rewards.scorer import Scorer

LogMels = Mapping[str, np.ndarray]
logger = logging.getLogger("soundmind_pipeline")

MODALITIES: Final[dict[str, "Modality"]] = {
    "audio_to_text": "audio",
    "text_to_text": "text",
    "audio_text_to_text": "audio_text",
}
"""What of a question the policy's prompt holds in each setting."""


@contextmanager
def cpu_threads(count: int | None) -> Iterator[None]:
    """Let torch use ``count`` CPU threads for the while; None leaves it as it is."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


class Examiner:
    """Puts problems to one policy and marks the answers.

    Args:
        name: What the policy is called in the table: ``sft`` or ``rl``.
        policy: Model and processor.
        engine: Generates the answers of ``policy``.
        encoder: Turns a question into the policy's prompt.
        scorer: The scorer that RL is rewarded by.
        params: Batch size, answer length, seed.
        store: Where answers are kept, and found instead of being given again; None keeps none.
        identity: What tells this policy's answers in the store from another's.
    """

    def __init__(
        self,
        name: str,
        policy: "Policy",
        engine: "SharedPrefixEngine",
        encoder: "PromptEncoder",
        scorer: "Scorer",
        params: EvaluationParams,
        store: AnswerStore | None = None,
        identity: Mapping[str, str] | None = None,
    ) -> None:
        self.name, self.policy, self.engine = name, policy, engine
        self.encoder, self.scorer, self.params = encoder, scorer, params
        self.store, self.identity = store, identity or {}

    def predict(self, samples: pd.DataFrame, log_mels: LogMels, condition: Condition) -> pd.DataFrame:
        """Answer every problem once, greedily.

        Args:
            samples: Rows as :func:`~soundmind_pipeline.evaluation.held_out.held_out` gives them.
            log_mels: uid → float32 [frames, 128], under a control what
                :func:`~soundmind_pipeline.evaluation.controls.controlled_log_mels` makes of them; only read where the
                setting has audio.
            condition: What the policy gets.

        Returns:
            One row a problem, in the order of ``samples``: ``policy``, ``setting``, ``control``, ``heard_uid`` (whose
            audio was played; None for text and silence), and the columns of
            :func:`~soundmind_pipeline.evaluation.marking.mark`.
        """
        from soundmind_pipeline.policy.params import SamplingParams

        greedy = SamplingParams(n=1, max_new_tokens=self.params.max_new_tokens, temperature=0.0)
        return self._examine(samples, log_mels, condition, greedy)

    def sample(
        self, samples: pd.DataFrame, log_mels: LogMels, condition: Condition, params: SampledParams
    ) -> pd.DataFrame:
        """Answer the first problems several times, each answer drawn at random.

        The same weights, problems, seed and ``batch_rows`` give the same answers.

        Args:
            samples: As for :meth:`predict`.
            log_mels: As for :meth:`predict`.
            condition: What the policy gets.
            params: How many problems, answers of each, and the temperature.

        Returns:
            ``n`` rows a problem, one after the other: the columns of :meth:`predict`, then ``sample`` (0 … n - 1) and
            ``temperature``.
        """
        from soundmind_pipeline.policy.params import SamplingParams

        drawn = SamplingParams(n=params.n, max_new_tokens=self.params.max_new_tokens, temperature=params.temperature)
        table = self._examine(samples.head(params.problems), log_mels, condition, drawn)
        return table.assign(sample=[row % params.n for row in range(len(table))], temperature=params.temperature)

    def _examine(
        self, samples: pd.DataFrame, log_mels: LogMels, condition: Condition, sampling: "SamplingParams"
    ) -> pd.DataFrame:
        """``sampling.n`` rows a problem."""
        import torch

        records: list[dict[str, Any]] = samples.to_dict("records")  # type: ignore[assignment]
        heard = self._heard(samples["uid"].tolist(), condition)
        modality, generator = MODALITIES[condition.setting], torch.Generator().manual_seed(self.params.seed)
        answers: dict[int, list[dict[str, Any]]] = {}
        found = 0
        name = f"{self.name} {condition.key}" + (f" x {sampling.n}" if sampling.n > 1 else "")
        with tqdm(total=len(records), desc=name, unit="q", disable=None, leave=False) as progress:
            for batch in self._batches(records, max(1, self.params.batch_rows // sampling.n)):
                clips = [None if uid is None else log_mels[uid] for uid in (heard[i] for i in batch)]
                prompts = [
                    self.encoder.encode(records[i]["user_content"], clip, modality)
                    for i, clip in zip(batch, clips, strict=True)
                ]
                given, was_kept = self._kept_or_given(prompts, sampling, generator)
                answers.update(zip(batch, given, strict=True))
                found += was_kept * len(batch)
                progress.update(len(batch))
        if self.store and found:
            logger.info("%s: %d of %d answered already, see %s", name, found, len(records), self.store.folder)
        played = [None if condition.control == "silence" else uid for uid in heard]
        origin = {"policy": self.name, "setting": condition.setting, "control": condition.control}
        return pd.DataFrame(
            [
                origin | {"heard_uid": played[i]} | mark(record, answer, self.scorer)
                for i, record in enumerate(records)
                for answer in answers[i]
            ]
        )

    def _heard(self, uids: list[str], condition: Condition) -> list[str | None]:
        """Whose audio each problem gets; None where there is no audio."""
        if condition.setting == "text_to_text":
            return [None] * len(uids)
        if condition.control == "shuffled":
            donors = shuffled_uids(uids, self.params.seed)
            return [donors[uid] for uid in uids]
        return list(uids)

    def _batches(self, records: list[dict[str, Any]], size: int) -> Iterator[list[int]]:
        """Places of the problems, in batches of similar length: padding is what a mixed batch would compute."""
        order = sorted(range(len(records)), key=lambda i: records[i]["question_seconds"])
        for start in range(0, len(order), size):
            yield order[start : start + size]

    def _kept_or_given(
        self, prompts: list["Prompt"], sampling: "SamplingParams", generator: "torch.Generator"
    ) -> tuple[Answers, bool]:
        """The answers to a batch, and whether they were in the store."""
        if self.store is None:
            return self._answer(prompts, sampling, generator), False
        policy = {**self.identity, "device": self.policy.model.device.type}
        key = batch_key(policy, prompts, sampling, generator)
        kept = self.store.find(key, generator)
        if kept is not None:
            return kept, True
        answers = self._answer(prompts, sampling, generator)
        self.store.keep(key, answers, sampling, generator)
        return answers, False

    def _answer(self, prompts: list["Prompt"], sampling: "SamplingParams", generator: "torch.Generator") -> Answers:
        """The answers to each prompt: ``response``, ``tokens``, ``finished``."""
        rollouts = self.engine.generate(prompts, sampling, generator)
        tokenizer = self.policy.processor.tokenizer
        texts = tokenizer.batch_decode(rollouts.completions, skip_special_tokens=True)
        answers = [
            {"response": text, "tokens": len(tokens), "finished": bool(finished)}
            for text, tokens, finished in zip(texts, rollouts.completions, rollouts.finished, strict=True)
        ]
        return [answers[start : start + sampling.n] for start in range(0, len(answers), sampling.n)]


def load_examiner(
    name: str,
    folder: "ModelFolder",
    instruction: str,
    reward: "RewardParams",
    params: EvaluationParams,
    store: AnswerStore | None = None,
) -> Examiner:
    """An examiner of the policy in ``folder``.

    Args:
        name: What the policy is called in the table.
        folder: The policy, or an adapter that names its base.
        instruction: What the policy was trained to be asked.
        reward: How RL scores.
        params: How to answer.
        store: Where answers are kept; None keeps none.
    """
    import torch

    from soundmind_pipeline.policy.folder import load_policy
    from soundmind_pipeline.policy.prompts import PromptEncoder
    from soundmind_pipeline.policy.rollout.engine import SharedPrefixEngine

    policy = load_policy(folder, dtype=params.dtype)
    policy.model.to("cuda" if torch.cuda.is_available() else "cpu")  # as training does
    engine = SharedPrefixEngine(policy.model, policy.processor)
    encoder = PromptEncoder(policy.processor, instruction)
    scorer = scorer_with(policy.processor, reward)
    files = {} if store is None else folder.checksums()  # takes seconds a 10 GB
    identity = {"dtype": params.dtype} | (files or {"hub id": str(folder.path)})
    return Examiner(name, policy, engine, encoder, scorer, params, store, identity)


def scorer_with(processor: "AudioTextProcessor", reward: "RewardParams") -> "Scorer":
    """The scorer of RL and evaluation: lengths are measured in tokens of the policy's own tokenizer."""
    from soundmind_pipeline.rewards.scorer import Scorer

    tokenizer = processor.tokenizer
    return Scorer(reward, lambda text: len(tokenizer(text, add_special_tokens=False)["input_ids"]))
