"""CPU, memory, disk, network and GPU of the machine while a run goes on."""

import os
from typing import Any, Final

INTERVAL_SECONDS: Final = 10.0
"""Between two samples; ``MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL`` sets another."""


def start_system_metrics(run_id: str, tracking_uri: str) -> Any | None:
    """Sample the machine into ``run_id`` until ``finish()`` is called on what is returned.

    MLflow's own monitor: it goes on after the last sample of a continued run, and finds GPUs where ``nvidia-ml-py`` is
    installed. ``MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING=false`` switches it off; then this returns None.
    """
    if os.environ.get("MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING", "true").lower() in ("false", "0"):
        return None
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    monitor = SystemMetricsMonitor(
        run_id, sampling_interval=INTERVAL_SECONDS, resume_logging=True, tracking_uri=tracking_uri
    )
    monitor.start()
    return monitor
