"""Which facial features does an emotion classifier need, and does leaving some behind help?

The names below are the library's front door; each is imported when it is first used, so that
`import ferturb` costs nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from ferturb.base.telemetry import switch_off
from ferturb.base.threads import wait_asleep

if TYPE_CHECKING:
    from ferturb.base.config import DatasetConfig as DatasetConfig
    from ferturb.base.config import MethodConfig as MethodConfig
    from ferturb.base.config import ModelConfig as ModelConfig
    from ferturb.base.config import RecipeConfig as RecipeConfig
    from ferturb.base.config import RunConfig as RunConfig
    from ferturb.base.emotions import EMOTIONS as EMOTIONS
    from ferturb.base.errors import FerturbError as FerturbError
    from ferturb.data.audit import audit as audit
    from ferturb.data.faces import Faces as Faces
    from ferturb.data.sources import load_faces as load_faces
    from ferturb.evaluation.scores import score as score
    from ferturb.export import sklearn as sklearn
    from ferturb.export.hub import push_to_hub as push_to_hub
    from ferturb.export.wrap import wrap as wrap
    from ferturb.features.altered import load_dataset as load_dataset
    from ferturb.models.classifier import Classifier as Classifier
    from ferturb.models.ensemble import Ensemble as Ensemble
    from ferturb.models.test_time import predict_logits as predict_logits
    from ferturb.predict.predictor import Predictor as Predictor
    from ferturb.predict.shipped import load_pretrained as load_pretrained
    from ferturb.report.build import build_report as build_report
    from ferturb.runs.execute import execute_run as execute_run
    from ferturb.runs.execute import prepare as prepare
    from ferturb.runs.run import Run as Run
    from ferturb.study.plan import plan as plan
    from ferturb.study.study import run_study as run_study

__version__ = "0.2.0"

switch_off()  # before anything that reports to its maker is imported
wait_asleep()  # and before OpenMP is

_HOMES = {
    "DatasetConfig": "ferturb.base.config",
    "MethodConfig": "ferturb.base.config",
    "ModelConfig": "ferturb.base.config",
    "RecipeConfig": "ferturb.base.config",
    "RunConfig": "ferturb.base.config",
    "audit": "ferturb.data.audit",
    "Faces": "ferturb.data.faces",
    "load_faces": "ferturb.data.sources",
    "EMOTIONS": "ferturb.base.emotions",
    "FerturbError": "ferturb.base.errors",
    "score": "ferturb.evaluation.scores",
    "predict_logits": "ferturb.models.test_time",
    "push_to_hub": "ferturb.export.hub",
    "load_dataset": "ferturb.features.altered",
    "Classifier": "ferturb.models.classifier",
    "Ensemble": "ferturb.models.ensemble",
    "Predictor": "ferturb.predict.predictor",
    "load_pretrained": "ferturb.predict.shipped",
    "wrap": "ferturb.export.wrap",
    "build_report": "ferturb.report.build",
    "Run": "ferturb.runs.run",
    "execute_run": "ferturb.runs.execute",
    "prepare": "ferturb.runs.execute",
    "plan": "ferturb.study.plan",
    "run_study": "ferturb.study.study",
}

_MODULES = {"sklearn": "ferturb.export.sklearn"}
"""Name -> the module that it is."""

__all__ = [*_HOMES, "__version__"]


def __getattr__(name: str) -> Any:
    """Import a public name from its home when it is first asked for (PEP 562).

    `MissingPackageError` says what to install for it.
    """
    if name not in _HOMES and name not in _MODULES:
        raise AttributeError(f"module 'ferturb' has no attribute {name!r}")
    try:
        home = importlib.import_module(_MODULES.get(name) or _HOMES[name])
        value = home if name in _MODULES else getattr(home, name)
    except ModuleNotFoundError as error:
        from ferturb.base.errors import missing

        raise missing(error) from error
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
