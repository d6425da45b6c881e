"""Greedy evaluation on dev problems while RL runs."""

from collections.abc import Sequence

from torch import nn

from soundmind_pipeline.policy.prompts import Modality
from soundmind_pipeline.rewards.scorer import LABELS
from soundmind_pipeline.training.params import RlParams
from soundmind_pipeline.training.ranks import Ranks
from soundmind_pipeline.training.reinforce.prompts import Question, QuestionSource, with_audio
from soundmind_pipeline.training.reinforce.rollouts import RolloutWorker

SETTINGS: dict[Modality, str] = {"audio": "audio_to_text", "text": "text_to_text"}


class DevEvaluation:
    """Answers the dev questions greedily and marks them with the scorer of the reward.

    Args:
        source: Gives the dev questions.
        worker: Samples and scores.
        params: Which modalities are trained, and how often to evaluate.
        ranks: The processes; calls are collective.
    """

    def __init__(self, source: QuestionSource, worker: RolloutWorker, params: RlParams, ranks: Ranks) -> None:
        self._source, self._worker, self._params, self._ranks = source, worker, params, ranks
        self._questions: dict[Modality, list[Question]] = {}
        self._sampling = params.sampling.model_copy(update={"n": 1, "temperature": 0.0})

    def due(self, step: int) -> bool:
        """Whether round `step` ends with an evaluation."""
        every = self._params.dev.every
        return every > 0 and (step % every == 0 or step == self._params.steps)

    def run(self, model: nn.Module) -> dict[str, float]:
        """`eval/dev/<setting>/{accuracy,format_valid,reward}` of the live policy, for each modality that is trained."""
        figures: dict[str, float] = {}
        shares: dict[Modality, float] = {"audio": self._params.audio_share, "text": 1 - self._params.audio_share}
        for modality in (modality for modality, share in shares.items() if share > 0):
            if modality not in self._questions:
                # The tower is frozen: what it makes of the dev questions is computed once.
                self._questions[modality] = with_audio(model, self._source.dev(modality))
            questions = self._questions[modality]
            prefix = f"eval/dev/{SETTINGS[modality]}"
            figures |= {f"{prefix}/{name}": value for name, value in self._marks(questions).items()}
        return figures

    def _marks(self, questions: Sequence[Question]) -> dict[str, float]:
        scores = self._worker.sample(questions, self._sampling).scores if questions else []
        right = sum(score.verdict == LABELS[question.label] for score, question in zip(scores, questions, strict=True))
        valid = sum(score.verdict is not None for score in scores)
        values = [len(scores), right, valid, sum(score.total for score in scores)]
        count, right_all, valid_all, reward = self._ranks.totals(values)
        if not count:
            return {}
        return {"accuracy": right_all / count, "format_valid": valid_all / count, "reward": reward / count}
