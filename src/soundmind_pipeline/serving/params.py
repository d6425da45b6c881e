"""Parameters of the model registry."""

from pydantic import Field, PositiveInt

from soundmind_pipeline.params import Params


class RegistrationParams(Params):
    """How a policy enters the model registry after its evaluation."""

    enabled: bool = True
    """Register the policy after each evaluation of a new one; `soundmind register` does it in any case."""
    name: str = Field(default="soundmind", pattern=r"^[^/:]+$")
    """The registered model; policies of different sizes or data want different names."""
    problems: PositiveInt | None = 200
    """Spoken dev problems that the policy answers for the comparison with the champion; null takes all."""
    significance: float = Field(default=0.05, gt=0, lt=1)
    """A version becomes champion when it is better on the same dev problems with a p value below this."""
