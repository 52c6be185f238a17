"""Folders of Hugging Face's transformers: an image classifier with its own class names.

Read from the disk alone, from safetensors alone, and no code that lies in the folder is run.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ferturb.base.errors import FerturbError, MissingPackageError, first_line
from ferturb.base.reading import is_there
from ferturb.base.storage import read_object
from ferturb.export.foreign.opened import Opened

_CONFIG, _PROCESSOR = "config.json", "preprocessor_config.json"


def is_hub_folder(folder: Path) -> bool:
    """Whether a folder holds a model of transformers (a run folder has a config.json too)."""
    return is_there(folder / _CONFIG) and "model_type" in read_object(folder / _CONFIG)


def of_hub_folder(folder: Path) -> Opened:
    """Such a folder's `AutoModelForImageClassification`; `FerturbError` if it can't be opened."""
    try:
        transformers: Any = importlib.import_module("transformers")
    except ImportError as error:
        raise MissingPackageError(
            f"{folder} is a model of transformers, which is not installed; pip install transformers"
        ) from error
    try:
        model = transformers.AutoModelForImageClassification.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, trust_remote_code=False
        )
    except Exception as error:  # it may raise anything at a foreign folder
        raise FerturbError(
            f"transformers can't open {folder}: {first_line(error)}; give a folder that "
            "save_pretrained wrote, with its weights as safetensors"
        ) from error
    known = model.config.id2label
    classes = tuple(str(known[i]) for i in sorted(known))
    form = _form(folder / _PROCESSOR, model.config)
    return Opened(model, folder.name, classes, **form)


def _form(path: Path, config: Any) -> dict[str, Any]:
    """Side, channels, mean and std, as the processor that was saved with the model has them.

    The whole face is resized, even where the processor would cut out the middle of a picture.
    """
    said = read_object(path) if path.exists() else {}
    side = _side(said.get("crop_size") if said.get("do_center_crop") else said.get("size"))
    own = getattr(config, "image_size", None)
    form = {
        "side": side or (own if isinstance(own, int) else None),
        "channels": getattr(config, "num_channels", 3),
    }
    white = 255 * said.get("rescale_factor", 1 / 255) if said.get("do_rescale", True) else 255
    normalised = said.get("do_normalize", True) and {"image_mean", "image_std"} <= set(said)
    if path.exists() and not normalised and said.get("do_normalize", True):
        raise FerturbError(f"{path} asks for a normalisation and doesn't say which; complete it")
    mean, std = (said["image_mean"], said["image_std"]) if normalised else ([0.0], [1.0])
    return form | {"mean": tuple(m / white for m in mean), "std": tuple(s / white for s in std)}


def _side(size: int | Mapping[str, int] | None) -> int | None:
    if isinstance(size, Mapping):
        size = size.get("height") or size.get("shortest_edge")
    return size
