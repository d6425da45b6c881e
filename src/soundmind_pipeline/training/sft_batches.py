"""From the sample table to the micro-batches of supervised warm-up."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.policy.processor import AudioTextProcessor
from soundmind_pipeline.policy.prompts import Modality, Prompt, PromptEncoder
from soundmind_pipeline.training.batching import RowSampler, hash_seed, pack, share_of_rank
from soundmind_pipeline.training.ctc import guess_duration
from soundmind_pipeline.training.params import PhaseParams, SftParams
from soundmind_pipeline.training.ranks import Ranks

LogMels = Mapping[str, np.ndarray]
_COLUMNS = ("uid", "user_content", "reference_answer", "mel_frames")
_STREAMS: dict[Modality, int] = {"audio": 1, "text": 2}


@dataclass(frozen=True)
class SftMicroBatch:
    """Rows of one modality, and what one unit of each loss weighs in the loss of the global batch."""

    prompts: tuple[Prompt, ...]
    """Questions, heard or read."""
    answers: tuple[list[int], ...]
    """Token ids of the reference answers, end of turn included; empty where the answers' loss is not asked for."""
    spoken: tuple[list[int], ...]
    """Token ids of what is said; empty where the CTC is not asked for."""
    answer_weight: float
    """Weight of each answer token's negative log-likelihood."""
    ctc_weight: float
    """Weight of each clip's CTC loss."""
    durations: tuple[list[float], ...] = ()
    """How long each token of `spoken` may take, where a guessed alignment takes the place of the CTC; else empty."""

    @property
    def spelling(self) -> str:
        """Which loss spells what is heard."""
        return "flat_start" if self.durations else "ctc"

    def idle(self) -> "SftMicroBatch":
        """The same work for nothing: what a rank does while others have a micro-batch more."""
        return replace(self, answer_weight=0.0, ctc_weight=0.0)


class SftData:
    """Train rows of the sample table as prompts and answers, and the rows of every step.

    Args:
        index: The feature index; its train split is used.
        log_mels: uid → float32 `[frames, 128]`.
        processor: The policy's processor.
        params: Instruction, seed, micro-batch budget.

    Raises:
        SoundmindError: There are no train rows, or one has no audio.
    """

    def __init__(
        self, index: pd.DataFrame, log_mels: LogMels, processor: AudioTextProcessor, params: SftParams
    ) -> None:
        train = index[index["split"] == "train"]
        if train.empty:
            raise SoundmindError("The feature index has no train rows.", "Raise ingestion's count of train problems.")
        self._rows: list[dict[Hashable, Any]] = train[list(_COLUMNS)].to_dict("records")
        self._log_mels = log_mels
        self._tokenizer = processor.tokenizer
        self._encoder = PromptEncoder(processor, params.instruction)
        self._params = params
        self._cache: dict[int, tuple[Prompt, list[int], list[int]]] = {}
        self._durations: dict[int, float] = {}

    def samplers(self, phase: int) -> dict[Modality, RowSampler]:
        """The row samplers of a phase, by modality; each phase has its own order."""
        chosen = self._params.phases[phase]
        counts: dict[Modality, int] = {"audio": chosen.audio_rows, "text": chosen.text_rows}
        frames = [float(row["mel_frames"]) for row in self._rows]
        return {
            modality: RowSampler(
                len(self._rows),
                count,
                hash_seed(self._params.seed, phase, _STREAMS[modality]),
                frames if modality == "audio" else None,
            )
            for modality, count in counts.items()
            if count
        }

    def micro_batches(
        self, phase: PhaseParams, samplers: Mapping[Modality, RowSampler], step: int, ranks: Ranks
    ) -> list[SftMicroBatch]:
        """This rank's micro-batches of one step of a phase (collective); ranks get equally many of each modality."""
        batches: list[SftMicroBatch] = []
        for modality, sampler in samplers.items():
            rows = share_of_rank(sampler.rows_of(step), ranks.rank, ranks.world_size)
            if not rows:
                raise SoundmindError(f"Phase {phase.name} has fewer {modality} rows a step than there are ranks.")
            examples = [self._example(row, modality) for row in rows]
            tokens, clips = ranks.totals([sum(len(answer) for _, answer, _ in examples), len(examples)])
            heard = modality == "audio"
            answer_weight = (phase.answer_weight if heard else 1.0) / tokens
            ctc_weight = phase.ctc_weight / clips if heard else 0.0
            lengths = [len(prompt) + len(answer) for prompt, answer, _ in examples]
            packed = pack(lengths, self._params.micro_batch_tokens)
            mine = [_micro_batch([examples[row] for row in group], answer_weight, ctc_weight) for group in packed]
            if heard and step <= phase.flat_start_steps:
                mine = [replace(batch, durations=tuple(self._guess(row) for row in batch.spoken)) for batch in mine]
            mine += [mine[0].idle()] * (ranks.largest(len(mine)) - len(mine))
            batches += mine
        return batches

    def _example(self, row: int, modality: Modality) -> tuple[Prompt, list[int], list[int]]:
        if row not in self._cache:
            record = self._rows[row]
            read = self._encoder.encode(record["user_content"], None, "text")
            answer = [*self._tokens(record["reference_answer"]), self._tokenizer.eos_token_id]
            self._cache[row] = read, answer, self._tokens(record["user_content"])
        prompt, answer, spoken = self._cache[row]
        if modality == "text":
            return prompt, answer, []
        uid = self._rows[row]["uid"]
        if uid not in self._log_mels:
            raise SoundmindError(f"{uid} has no log-mel.", "Build the features anew: `kedro run --pipeline=features`.")
        return self._encoder.encode("", self._log_mels[uid], "audio"), answer, spoken

    def _guess(self, token_ids: Sequence[int]) -> list[float]:
        for token in set(token_ids) - self._durations.keys():
            self._durations[token] = guess_duration(self._tokenizer.decode([token]))
        return [self._durations[token] for token in token_ids]

    def _tokens(self, text: str) -> list[int]:
        token_ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return token_ids


def _micro_batch(
    examples: Sequence[tuple[Prompt, list[int], list[int]]], answer_weight: float, ctc_weight: float
) -> SftMicroBatch:
    prompts, answers, spoken = zip(*examples, strict=True)
    return SftMicroBatch(
        prompts, answers if answer_weight else (), spoken if ctc_weight else (), answer_weight, ctc_weight
    )
