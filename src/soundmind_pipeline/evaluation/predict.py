"""Putting held-out problems to a policy: one greedy answer for each problem under each condition, scored."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from tqdm import tqdm

from soundmind_pipeline.evaluation.conditions import Condition
from soundmind_pipeline.evaluation.controls import SilencedLogMels, shuffled_uids
from soundmind_pipeline.evaluation.metrics import REWARD_TERMS
from soundmind_pipeline.evaluation.params import EvaluationParams
from soundmind_pipeline.problems.schema import is_null
from soundmind_pipeline.problems.verified.checker import check_reasoning

if TYPE_CHECKING:
    from soundmind_pipeline.policy.folder import ModelFolder, Policy
    from soundmind_pipeline.policy.prompts import Prompt, PromptEncoder
    from soundmind_pipeline.policy.rollout.engine import SharedPrefixEngine
    from soundmind_pipeline.rewards.params import RewardParams
    from soundmind_pipeline.rewards.scorer import Scorer

LogMels = Mapping[str, np.ndarray]

SAMPLE_COLUMNS: Final = ("uid", "label", "label_conflict", "leaked", "family", "form", "claim_kind", "difficulty")
"""Columns of the held-out problems that every prediction repeats, so that predictions can be analysed on their own."""


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
    """

    def __init__(
        self,
        name: str,
        policy: "Policy",
        engine: "SharedPrefixEngine",
        encoder: "PromptEncoder",
        scorer: "Scorer",
        params: EvaluationParams,
    ) -> None:
        self.name, self.policy, self.engine = name, policy, engine
        self.encoder, self.scorer, self.params = encoder, scorer, params

    def predict(self, samples: pd.DataFrame, log_mels: LogMels, condition: Condition) -> pd.DataFrame:
        """Answer every problem once, greedily.

        Args:
            samples: Rows as :func:`~soundmind_pipeline.evaluation.held_out.held_out` gives them.
            log_mels: uid → float32 [frames, 128]; only read where the setting has audio.
            condition: What the policy gets.

        Returns:
            One row a problem, in the order of ``samples``: ``policy``, ``setting``, ``control``, ``heard_uid`` (whose
            audio was played; None for text and silence), the :data:`SAMPLE_COLUMNS`, ``response``, ``tokens`` (end of
            turn included), ``finished``, ``verdict`` (None if badly formed) and ``reason``, ``right``,
            ``right_lenient``, ``format_valid``, ``reward`` and ``reward_<term>``; ``restated``, ``reasoning_valid`` and
            ``reasoning_correct``, all None where the problem's logical form is not known.
        """
        records: list[dict[str, Any]] = samples.to_dict("records")  # type: ignore[assignment]
        heard = self._heard(samples["uid"].tolist(), condition)
        source: LogMels = SilencedLogMels(log_mels) if condition.control == "silence" else log_mels
        answers: dict[int, dict[str, Any]] = {}
        with tqdm(
            total=len(records), desc=f"{self.name} {condition.key}", unit="q", disable=None, leave=False
        ) as progress:
            for batch in self._batches(records):
                prompts = [self._prompt(records[i], source, heard[i]) for i in batch]
                answers.update(zip(batch, self._answer(prompts), strict=True))
                progress.update(len(batch))
        played = [None if condition.control == "silence" else uid for uid in heard]
        origin = {"policy": self.name, "setting": condition.setting, "control": condition.control}
        return pd.DataFrame(
            [
                origin | {"heard_uid": played[i]} | mark(record, answers[i], self.scorer)
                for i, record in enumerate(records)
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

    def _batches(self, records: list[dict[str, Any]]) -> Iterator[list[int]]:
        """Places of the problems, in batches of similar length: padding is what a mixed batch would compute."""
        order = sorted(range(len(records)), key=lambda i: records[i]["question_seconds"])
        for start in range(0, len(order), self.params.batch_rows):
            yield order[start : start + self.params.batch_rows]

    def _prompt(self, record: dict[str, Any], log_mels: LogMels, heard: str | None) -> "Prompt":
        if heard is None:
            return self.encoder.encode(record["user_content"], None, "text")
        return self.encoder.encode(record["user_content"], log_mels[heard], "audio")

    def _answer(self, prompts: list["Prompt"]) -> list[dict[str, Any]]:
        """Greedy answers: ``response``, ``tokens``, ``finished``."""
        from soundmind_pipeline.policy.params import SamplingParams

        sampling = SamplingParams(n=1, max_new_tokens=self.params.max_new_tokens, temperature=0.0)
        rollouts = self.engine.generate(prompts, sampling, None)
        tokenizer = self.policy.processor.tokenizer
        texts = tokenizer.batch_decode(rollouts.completions, skip_special_tokens=True)
        return [
            {"response": text, "tokens": len(tokens), "finished": bool(finished)}
            for text, tokens, finished in zip(texts, rollouts.completions, rollouts.finished, strict=True)
        ]


def load_examiner(
    name: str, folder: "ModelFolder", instruction: str, reward: "RewardParams", params: EvaluationParams
) -> Examiner:
    """An examiner of the policy in ``folder``.

    Args:
        name: What the policy is called in the table.
        folder: The policy, or an adapter that names its base.
        instruction: What the policy was trained to be asked.
        reward: How RL scores; lengths are measured in tokens of the policy's own tokenizer.
        params: How to answer.
    """
    from soundmind_pipeline.policy.folder import load_policy
    from soundmind_pipeline.policy.prompts import PromptEncoder
    from soundmind_pipeline.policy.rollout.engine import SharedPrefixEngine
    from soundmind_pipeline.rewards.scorer import Scorer

    policy = load_policy(folder, dtype=params.dtype)
    engine = SharedPrefixEngine(policy.model, policy.processor)
    encoder = PromptEncoder(policy.processor, instruction)
    tokenizer = policy.processor.tokenizer
    scorer = Scorer(reward, lambda text: len(tokenizer(text, add_special_tokens=False)["input_ids"]))
    return Examiner(name, policy, engine, encoder, scorer, params)


def mark(record: Mapping[str, Any], answer: Mapping[str, Any], scorer: "Scorer") -> dict[str, Any]:
    """Score one answer exactly as RL does, and look at its reasoning.

    Args:
        record: A row of the sample table.
        answer: ``response``, ``tokens``, ``finished``.
        scorer: The scorer that RL is rewarded by.

    Returns:
        The columns of :meth:`Examiner.predict` that depend on the answer, and those of the sample.
    """
    response = answer["response"]
    score = scorer.score(response, int(record["label"]), record["reference_answer"])
    truth = "entailed" if record["label"] == 1 else "not entailed"
    reasoning = None if is_null(record["problem"]) else check_reasoning(record["problem"], response)
    return {
        **{column: None if is_null(record[column]) else record[column] for column in SAMPLE_COLUMNS},
        **answer,
        "verdict": score.verdict,
        "reason": score.reason,
        "right": score.verdict == truth,
        "right_lenient": score.verdict_lenient == truth,
        "format_valid": score.verdict is not None,
        "reward": score.total,
        **{f"reward_{term}": getattr(score, term) for term in REWARD_TERMS},
        "restated": reasoning and reasoning.restated,
        "reasoning_valid": reasoning and reasoning.valid,
        "reasoning_correct": reasoning and reasoning.correct,
    }
