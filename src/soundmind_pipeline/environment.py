"""Process-wide defaults that must stand before the first heavy import."""

import os
import warnings
from pathlib import Path

_DEFAULTS = {
    # Nobody's runs are reported to anybody unless they ask for it.
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "GX_ANALYTICS_ENABLED": "false",
    "DVC_NO_ANALYTICS": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    # Spinning OpenMP threads were measured four times slower than sleeping ones on a contended machine.
    "OMP_WAIT_POLICY": "PASSIVE",
    "TOKENIZERS_PARALLELISM": "false",
    # Matplotlib must not look for a display.
    "MPLBACKEND": "Agg",
    "TRANSFORMERS_VERBOSITY": "error",
    "DEEPSPEED_LOG_LEVEL": "error",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",  # a bar for each small file
    "GIT_PYTHON_REFRESH": "quiet",
}


def prepare() -> None:
    """Set every default that the user's environment does not set, and silence warnings a user cannot act upon."""
    for name, value in _DEFAULTS.items():
        os.environ.setdefault(name, value)
    if not any(Path(device).exists() for device in ("/dev/nvidiactl", "/dev/kfd")):
        # DeepSpeed warns when it finds out by itself that there is no accelerator.
        os.environ.setdefault("DS_ACCELERATOR", "cpu")
    for category in (DeprecationWarning, PendingDeprecationWarning, FutureWarning):
        warnings.filterwarnings("ignore", category=category)
