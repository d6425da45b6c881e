"""The arms of an ablation: a reward setting and an algorithm, each a complete set of RL parameters."""

from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from soundmind_pipeline.errors import SoundmindError
from soundmind_pipeline.evaluation.ablation.params import TABLE_7_WEIGHTS, AblationParams, merged
from soundmind_pipeline.evaluation.paper import ABLATION
from soundmind_pipeline.rewards.params import RewardWeights
from soundmind_pipeline.training.params import RlParams
from soundmind_pipeline.training.reinforce.params import AlgorithmParams

FULL: Final = "full"
"""The setting that the others are held to."""
PAPER_ALGORITHM: Final = "reinforce_pp"


@dataclass(frozen=True)
class Arm:
    """What is trained once for every seed."""

    name: str
    """Key in files and metrics: the setting, with ``_<algorithm>`` where several are compared."""
    label: str
    """What people read."""
    setting: str
    """Name of the reward setting."""
    params: RlParams
    """The RL job; trials replace its seed."""
    row: str | None
    """The row of the paper's table 7 that it repeats, None unless its weights and its algorithm are the paper's."""

    @property
    def weights(self) -> RewardWeights:
        """λ1 to λ5."""
        return self.params.reward.weights

    @property
    def algorithm(self) -> str:
        """Name of the algorithm's preset."""
        return self.params.algorithm.name

    @property
    def paper(self) -> float | None:
        """The paper's accuracy, None where it has no such row."""
        return ABLATION[self.row][1].accuracy if self.row else None


def arms_of(ablation: AblationParams, rl: RlParams) -> list[Arm]:
    """Every setting with every algorithm, in the order of the parameters.

    Args:
        ablation: What is varied.
        rl: What is not.

    Raises:
        SoundmindError: The overrides do not fit the rl block.
    """
    algorithms = ablation.algorithms or (ablation.rl.get("algorithm", {}).get("name", rl.algorithm.name),)
    arms = []
    for algorithm in algorithms:
        for setting in ablation.settings:
            params = _params(setting, algorithm, ablation, rl)
            several = len(algorithms) > 1
            row = _table_7_row(params.reward.weights)
            what, opening, weights = (ABLATION[row][0] if row else setting.replace("_", " ")).partition(" (")
            arms.append(
                Arm(
                    name=f"{setting}_{algorithm}" if several else setting,
                    label=f"{what}{f', {algorithm}' if several else ''}{opening}{weights}",
                    setting=setting,
                    params=params,
                    row=row if algorithm == PAPER_ALGORITHM else None,
                )
            )
    return arms


def _params(setting: str, algorithm: str, ablation: AblationParams, rl: RlParams) -> RlParams:
    """The rl block with the ablation's overrides, the algorithm's preset, and the setting's weights."""
    block = merged(rl.model_dump(exclude={"algorithm"}), {k: v for k, v in ablation.rl.items() if k != "algorithm"})
    own = _beside_preset(rl.algorithm) if algorithm != rl.algorithm.name else rl.algorithm.model_dump()
    block["algorithm"] = {**own, **ablation.rl.get("algorithm", {}), "name": algorithm}
    block = merged(block, {"reward": {"weights": ablation.weights[setting]}})
    try:
        return RlParams.model_validate(block)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(["ablation.rl", *map(str, first["loc"])])
        raise SoundmindError(
            f"{key}: {first['msg']} (setting {setting}, {algorithm})",
            hint="Change it in conf/base/parameters_ablation.yml, or in the rl block.",
        ) from error


def _beside_preset(algorithm: AlgorithmParams) -> dict[str, Any]:
    """The fields that are not what the preset fills in: they were set by hand, and stay with another preset."""
    preset = AlgorithmParams(name=algorithm.name).model_dump()
    return {name: value for name, value in algorithm.model_dump().items() if value != preset[name]}


def _table_7_row(weights: RewardWeights) -> str | None:
    """The row of table 7 with these weights."""
    return next((row for row, changed in TABLE_7_WEIGHTS.items() if weights == RewardWeights(**changed)), None)
