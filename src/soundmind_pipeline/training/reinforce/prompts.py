"""Which questions a round of RL asks, and in which modality."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.policy.audio_tower import encode_audio
from soundmind_pipeline.policy.prompts import Modality, Prompt, PromptEncoder
from soundmind_pipeline.training.batching import RowSampler
from soundmind_pipeline.training.params import RlParams
from soundmind_pipeline.training.ranks import Ranks

LogMels = Mapping[str, np.ndarray]
_COLUMNS = ("uid", "user_content", "reference_answer", "label")


@dataclass(frozen=True)
class Question:
    """A problem as it is put to the policy."""

    prompt: Prompt
    """What the policy gets."""
    modality: Modality
    """Whether it is heard or read."""
    label: int
    """1 entailed, 0 not entailed."""
    reference: str
    """The annotated response; its length is what the length reward compares with."""


class QuestionSource:
    """Questions of each round out of the train split, and the dev questions.

    The questions of a round are a function of seed and round: there is nothing to save.

    Args:
        index: The feature index.
        log_mels: uid → float32 `[frames, 128]`.
        encoder: Makes prompts.
        params: Prompts a round, audio share, seed.
        ranks: The processes; each asks its own share.

    Raises:
        SoundmindError: There are no train rows, or fewer prompts a round than ranks or minibatches.
    """

    def __init__(
        self, index: pd.DataFrame, log_mels: LogMels, encoder: PromptEncoder, params: RlParams, ranks: Ranks
    ) -> None:
        self._train = _records(index, "train")
        self._dev = _records(index, "dev")[: params.dev.problems]
        if not self._train:
            raise SoundmindError("The feature index has no train rows.", "Raise ingestion's count of train problems.")
        if params.prompts_per_step // ranks.world_size < params.minibatches:
            raise SoundmindError(
                f"rl.prompts_per_step={params.prompts_per_step} on {ranks.world_size} ranks cannot fill "
                f"{params.minibatches} minibatches.",
                "Raise rl.prompts_per_step or lower rl.minibatches.",
            )
        self._log_mels, self._encoder, self._params, self._ranks = log_mels, encoder, params, ranks
        self._sampler = RowSampler(len(self._train), params.prompts_per_step, params.seed)

    def of_round(self, step: int) -> list[Question]:
        """This rank's questions of round `step`: of all ranks' together, `audio_share` are heard."""
        rows = self._sampler.rows_of(step)
        heard = round(len(rows) * self._params.audio_share)
        # Heard and read ones alternate over the ranks, so that each rank gets its part of both.
        asked = [self._question(self._train[row], place < heard) for place, row in enumerate(rows)]
        return asked[self._ranks.rank :: self._ranks.world_size]

    def in_place_of(self, tied: Sequence[Question], step: int, attempt: int) -> list[Question]:
        """Other questions of the same modalities, drawn at random: dynamic sampling's next attempt in a round."""
        rng = np.random.default_rng([self._params.seed, step, attempt, self._ranks.rank])
        rows = rng.integers(len(self._train), size=len(tied))
        return [
            self._question(self._train[row], question.modality == "audio")
            for row, question in zip(rows, tied, strict=True)
        ]

    def dev(self, modality: Modality) -> list[Question]:
        """This rank's dev questions in one modality."""
        mine = self._dev[self._ranks.rank :: self._ranks.world_size]
        return [self._question(record, modality == "audio") for record in mine]

    def _question(self, record: Mapping[Any, Any], heard: bool) -> Question:
        modality: Modality = "audio" if heard else "text"
        log_mel = None
        if heard:
            if record["uid"] not in self._log_mels:
                hint = "Build the features anew: `kedro run --pipeline=features`."
                raise SoundmindError(f"{record['uid']} has no log-mel.", hint)
            log_mel = self._log_mels[record["uid"]]
        prompt = self._encoder.encode(record["user_content"], log_mel, modality)
        return Question(prompt, modality, int(record["label"]), record["reference_answer"])


@torch.no_grad()
def with_audio(model: nn.Module, questions: Sequence[Question]) -> list[Question]:
    """The same questions, the heard ones with the output of the (frozen) audio tower: it then need not run again."""
    heard = [question for question in questions if question.prompt.log_mel is not None]
    log_mels = [question.prompt.log_mel for question in heard if question.prompt.log_mel is not None]
    audio = iter(encode_audio(model, log_mels))
    return [
        replace(question, prompt=question.prompt.with_audio_embeds(next(audio)))
        if question.prompt.log_mel is not None
        else question
        for question in questions
    ]


def _records(index: pd.DataFrame, split: str) -> list[dict[Any, Any]]:
    return index.loc[index["split"] == split, list(_COLUMNS)].to_dict("records")
