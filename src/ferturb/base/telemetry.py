"""Nothing leaves the machine: what dependencies would report to their makers is switched off.

onnxruntime (from 1.29 on) keeps an identifier of the machine and a queue of events in the user's
cache folder and sends them to its maker, unless an environment variable forbids it when it is
imported; its function `disable_telemetry_events` comes too late for the identifier. So the
variables are set when `ferturb` is imported, and the processes that it starts inherit them.
"""

from __future__ import annotations

import os

OFF = {
    "ORT_DISABLE_TELEMETRY": "1",  # onnxruntime
    "HF_HUB_DISABLE_TELEMETRY": "1",  # huggingface_hub: extra `hub`, and timm
    "RAY_USAGE_STATS_ENABLED": "0",  # ray: extra `ray`
    "MLFLOW_DISABLE_TELEMETRY": "true",  # mlflow: extra `mlflow`
    "DO_NOT_TRACK": "1",  # whatever else asks, donottrack.sh
}
"""Environment variable -> the value that means no."""


def switch_off() -> None:
    """Say no to all of them, whatever the environment says."""
    os.environ.update(OFF)
