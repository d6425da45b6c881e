"""The base of every typed parameter block."""

from pydantic import BaseModel, ConfigDict


class Params(BaseModel):
    """One block of parameters: frozen, and an unknown key is an error that names it."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
