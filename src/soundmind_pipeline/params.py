"""The base of every typed parameter block."""

from collections import Counter
from typing import Any, Final

from pydantic import AfterValidator, BaseModel, ConfigDict


class Params(BaseModel):
    """One block of parameters: frozen, and an unknown key is an error that names it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


def _distinct(values: tuple[Any, ...]) -> tuple[Any, ...]:
    repeated = [value for value, count in Counter(values).items() if count > 1]
    if repeated:
        raise ValueError(f"{repeated[0]} is named more than once")
    return values


DISTINCT: Final = AfterValidator(_distinct)
"""For a field of type ``Annotated[tuple[…], DISTINCT]``: nothing may be named twice, as it would be counted twice."""
