"""Kedro project settings (see https://docs.kedro.org/en/stable/configure/)."""

from soundmind_pipeline import environment

environment.prepare()

from soundmind_pipeline.configuration import LOADER_ARGUMENTS  # noqa: E402
from soundmind_pipeline.hooks.preflight import PreflightHooks  # noqa: E402
from soundmind_pipeline.hooks.registry import RegistryHooks  # noqa: E402
from soundmind_pipeline.hooks.stages import StageHooks  # noqa: E402
from soundmind_pipeline.hooks.summary import SummaryHooks  # noqa: E402
from soundmind_pipeline.hooks.tracking import TrackingHooks  # noqa: E402
from soundmind_pipeline.session import SoundmindSession  # noqa: E402

SESSION_CLASS = SoundmindSession
_stages = StageHooks()
# Hooks registered last are called first: stage records must stand before tracking and summary read them.
HOOKS = (SummaryHooks(_stages), RegistryHooks(), TrackingHooks(_stages), _stages, PreflightHooks())

CONFIG_LOADER_ARGS = LOADER_ARGUMENTS
# Kedro-Viz's hook warns in every run of single stages that it records whole runs only.
DISABLE_HOOKS_FOR_PLUGINS = ("kedro-viz",)
