"""The parameter blocks of the project, and the check that runs before anything else does."""

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.evaluation.ablation.params import AblationParams
from soundmind_pipeline.evaluation.params import EvaluationParams
from soundmind_pipeline.params import Params
from soundmind_pipeline.pipelines.audit.params import AuditParams
from soundmind_pipeline.pipelines.features.params import FeaturesParams
from soundmind_pipeline.pipelines.ingestion.params import IngestionParams
from soundmind_pipeline.serving.params import RegistrationParams
from soundmind_pipeline.training.params import RlParams, SftParams

BLOCKS: dict[str, type[Params]] = {
    "ingestion": IngestionParams,
    "audit": AuditParams,
    "features": FeaturesParams,
    "sft": SftParams,
    "rl": RlParams,
    "evaluation": EvaluationParams,
    "ablation": AblationParams,
    "registration": RegistrationParams,
}


def validate_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Check every block of ``parameters`` against its model and return the parameters unchanged.

    Raises:
        SoundmindError: Names each unknown key (with the nearest known one) and each value of the wrong type or range.
    """
    problems: list[str] = []
    for name, value in parameters.items():
        if name not in BLOCKS:
            problems.append(f"{name}: unknown parameter block{_did_you_mean(name, list(BLOCKS))}")
            continue
        try:
            BLOCKS[name].model_validate(value)
        except ValidationError as error:
            problems += [_explain(name, item) for item in error.errors()]
    if problems:
        listed = "\n".join(f"  {problem}" for problem in problems)
        raise SoundmindError(f"Wrong parameters:\n{listed}", hint="docs/parameters.md has every key.")
    return dict(parameters)


def _explain(block: str, item: Any) -> str:
    location = [str(part) for part in item["loc"]]
    key = ".".join([block, *location])
    if item["type"] == "extra_forbidden":
        siblings = _fields_at(BLOCKS[block], location[:-1])
        return f"{key}: unknown key{_did_you_mean(location[-1], siblings)}"
    if item["type"] == "hidden_input":  # most likely a secret that was put in the wrong place
        return f"{key}: {item['msg']}"
    return f"{key}: {item['msg']} (got {item['input']!r})"


def _fields_at(model: type[BaseModel], path: list[str]) -> list[str]:
    """Names of the fields of the block nested at ``path``; empty where the path leaves the models."""
    for part in path:
        field = model.model_fields.get(part)
        if field is None or not (isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)):
            return []
        model = field.annotation
    return list(model.model_fields)


def _did_you_mean(name: str, known: list[str]) -> str:
    matches = get_close_matches(name, known, n=1)
    return f"; did you mean {matches[0]}?" if matches else ""
