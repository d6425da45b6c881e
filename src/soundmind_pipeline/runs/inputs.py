"""The tables a run reads, as MLflow's dataset inputs: one a split, with a digest of its rows."""

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from mlflow.entities import DatasetInput


def split_contexts(stage: str, parameters: Mapping[str, Any]) -> dict[str, str]:
    """Which splits a stage reads, and what for: split → MLflow context. Empty for stages that read all alike."""
    if stage == "sft":
        return {"train": "train"}
    if stage == "rl":
        return {"train": "train", "dev": "validation"}
    if stage == "evaluation":
        return {str(parameters["evaluation.split"]): "eval"}
    return {}


def dataset_inputs(name: str, data: pd.DataFrame, source: str, contexts: Mapping[str, str]) -> list["DatasetInput"]:
    """Dataset inputs of a run, one for each split in ``contexts`` that has rows.

    A split's digest is that of its own rows: new test problems leave the digest of the training data as it is.

    Args:
        name: Name of the dataset in the catalog.
        data: The table; has a column ``split``.
        source: Its path, relative to the project.
        contexts: Split → what it is read for.
    """
    from mlflow.entities import Dataset, DatasetInput, InputTag

    columns = [{"name": str(column), "type": _kind(dtype), "required": False} for column, dtype in data.dtypes.items()]
    inputs = []
    for split, context in contexts.items():
        rows = data[data["split"] == split]
        if rows.empty:
            continue
        dataset = Dataset(
            name=f"{name} {split}",
            digest=rows_digest(rows),
            source_type="local",
            source=json.dumps({"uri": source}),
            schema=json.dumps({"mlflow_colspec": columns}),
            profile=json.dumps({"num_rows": len(rows), "num_elements": int(rows.size)}),
        )
        inputs.append(DatasetInput(dataset, [InputTag("mlflow.data.context", context)]))
    return inputs


def rows_digest(rows: pd.DataFrame) -> str:
    """A digest of names, values and order of ``rows``, 32 hex digits; the index does not count."""
    hashes = pd.util.hash_pandas_object(rows, index=False).to_numpy()
    digest = hashlib.md5(",".join(map(str, rows.columns)).encode(), usedforsecurity=False)
    digest.update(hashes.tobytes())
    return digest.hexdigest()


def _kind(dtype: Any) -> str:
    kinds = {"b": "boolean", "i": "long", "u": "long", "f": "double", "M": "datetime"}
    return kinds.get(getattr(dtype, "kind", "O"), "string")
