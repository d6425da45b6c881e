"""An audio-language model of transformers, by folder or hub id."""

import hashlib
import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.evaluation.baselines.params import HeardOrRead, TransformersBaseline
from soundmind_pipeline.policy.folder import ModelFolder, load_weights


def ask_transformers(
    records: list[dict[str, Any]],
    speech: Mapping[str, np.ndarray],
    setting: HeardOrRead,
    params: TransformersBaseline,
    work: Path,
) -> list[dict[str, Any]]:
    """The model's greedy answers, one question at a time; each is kept, so that a run that is killed goes on.

    Args:
        records: Rows of the held-out problems.
        speech: uid → spoken question, float32 [samples], 16 kHz.
        setting: Whether it hears or reads them.
        params: Model and prompt.
        work: Folder of the answers.

    Returns:
        ``response``, ``tokens`` and ``finished``, a problem.

    Raises:
        SoundmindError: There is no such model, or transformers cannot run it as an audio-language model.
    """
    import diskcache

    with diskcache.Cache(str(work / "transformers"), eviction_policy="none", size_limit=1 << 62) as cache:
        who = _who(params)
        keys = [_key(record, speech, setting, who) for record in records]
        if any(key not in cache for key in keys):
            model = _Model(params)
            for key, record in zip(
                keys, tqdm(records, desc=f"{params.name} {setting}", unit="q", disable=None), strict=True
            ):
                if key not in cache:
                    cache[key] = json.dumps(model.answer(record, speech, setting))
        return [json.loads(cache[key]) for key in keys]


def _who(params: TransformersBaseline) -> dict[str, Any]:
    """Who answers, and how; not the name, nor how many problems are asked.

    A folder counts by the checksums of its files, since another training may write it anew; a hub id stands for itself.
    """
    asked = params.model_dump(mode="json", exclude={"name", "settings", "problems"})
    return asked | {"device": _device(params), "files": ModelFolder(Path(params.model)).checksums()}


def _device(params: TransformersBaseline) -> str:
    import torch

    return params.device or ("cuda" if torch.cuda.is_available() else "cpu")


def _key(
    record: Mapping[str, Any], speech: Mapping[str, np.ndarray], setting: HeardOrRead, who: Mapping[str, Any]
) -> str:
    """What an answer depends on."""
    said = record["user_content"].encode() if setting == "text_to_text" else speech[record["uid"]].tobytes()
    return hashlib.sha256(json.dumps([who, setting], sort_keys=True).encode() + said).hexdigest()


class _Model:
    """Model and processor of one baseline, loaded.

    Args:
        params: Which, and how it answers.
    """

    def __init__(self, params: TransformersBaseline) -> None:
        from transformers import AutoModelForMultimodalLM, AutoProcessor

        self._params, self._device = params, _device(params)
        try:
            # Left out, transformers would ask at the terminal whether to run the hub's code.
            self._processor = AutoProcessor.from_pretrained(params.model, trust_remote_code=False)
            load = partial(AutoModelForMultimodalLM.from_pretrained, trust_remote_code=False)
            model = load_weights(load, Path(params.model), params.dtype)
        except (OSError, ValueError, KeyError, ImportError) as error:
            raise SoundmindError(
                f"evaluation.baselines.models: {params.name}: {params.model} cannot be loaded: {error}",
                hint="Name a folder or hub id that transformers' AutoModelForMultimodalLM and AutoProcessor know.",
            ) from error
        self._model = model.to(self._device).eval()

    def answer(
        self, record: Mapping[str, Any], speech: Mapping[str, np.ndarray], setting: HeardOrRead
    ) -> dict[str, Any]:
        """The greedy answer to one question."""
        import torch

        if setting == "text_to_text":
            question: dict[str, Any] = {"type": "text", "text": record["user_content"]}
        else:
            question = {"type": "audio", "audio": self._resampled(speech[record["uid"]])}
        chat = [
            {"role": "system", "content": [{"type": "text", "text": self._params.prompt}]},
            {"role": "user", "content": [question]},
        ]
        inputs = self._processor.apply_chat_template(
            chat, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt"
        ).to(self._device, dtype=self._model.dtype)  # of the floating-point inputs: the features
        with torch.inference_mode():
            tokens = self._model.generate(**inputs, max_new_tokens=self._params.max_new_tokens, do_sample=False)
        new = tokens[0, inputs["input_ids"].shape[1] :]
        tokenizer = getattr(self._processor, "tokenizer", self._processor)
        return {
            "response": tokenizer.decode(new, skip_special_tokens=True),
            "tokens": len(new),
            "finished": len(new) < self._params.max_new_tokens,
        }

    def _resampled(self, wave: np.ndarray) -> np.ndarray:
        """The wave at the rate that the model's feature extractor takes."""
        rate = getattr(getattr(self._processor, "feature_extractor", None), "sampling_rate", 16_000)
        if rate == 16_000:
            return wave
        import soxr

        return np.asarray(soxr.resample(wave, 16_000, rate), dtype=np.float32)
