"""Models from the Hugging Face hub: `Predictor.from_pretrained("OWNER/NAME")`, or
`load_pretrained("hf:OWNER/NAME")`.

A model on the hub is a folder that `ferturb.export.hub` wrote; its `model.onnx` is all that is
fetched, and runs without torch. Nothing is ever fetched but what is asked for by this name.
"""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

from ferturb.base.errors import FerturbError, first_line
from ferturb.base.installation import install

PREFIX = "hf:"
GRAPH = "model.onnx"
_NAME = re.compile(r"\w[\w.-]*/\w[\w.-]*")


def fetched(name: str) -> Path:
    """The ONNX file of ``hf:OWNER/NAME`` or ``hf:OWNER/NAME@REVISION``, from the client's cache or
    the hub. What can't be had raises `FerturbError`."""
    repository, _, revision = name.removeprefix(PREFIX).partition("@")
    require_repository(repository)
    try:
        found = client().hf_hub_download(repository, GRAPH, revision=revision or None)
    except FerturbError:
        raise
    except Exception as error:  # whatever the client raises: no network, no such model, …
        raise FerturbError(
            f"can't get {GRAPH} of {repository} from the hub ({first_line(error)[:200]}); give the "
            "name of a model that ferturb pushed, or download it by hand and give the file"
        ) from error
    return Path(found)


def require_repository(name: str) -> str:
    """The same name; `FerturbError` for what is no OWNER/NAME."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise FerturbError(f"a model on the hub is OWNER/NAME, got {name!r}")
    return name


def client() -> Any:
    """huggingface_hub; `FerturbError` where it isn't installed."""
    try:
        return importlib.import_module("huggingface_hub")
    except ImportError as error:
        raise FerturbError(
            f"the hub needs huggingface_hub, which is not installed; run: {install('hub')}"
        ) from error
