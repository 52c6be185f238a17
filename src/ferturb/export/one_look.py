"""A trained model of ferturb's in onnxruntime, looking once: without its test-time augmentation.

The benchmark asks every model once about each face, and about many faces at a time. The files in
the package look twice (at the face and its mirror image), so a graph that looks once, its
convolutions after Winograd, is written into the cache.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from ferturb.base.emotions import EMOTIONS
from ferturb.base.storage import write_bytes
from ferturb.data.cache import cache_folder
from ferturb.export.onnx import calibrated_onnx
from ferturb.export.torch_models import calibrated, calibrated_module
from ferturb.export.winograd import with_winograd
from ferturb.models.class_names import classes_of
from ferturb.models.wrapped import Wrapped
from ferturb.predict.onnx_session import sealed
from ferturb.predict.shipped import About, PretrainedModel, load_pretrained

_TOGETHER = 64
"""Faces a matrix product; larger ones are no faster."""


def one_look(source: str | Path, name: str | None = None, threads: int | None = None) -> Wrapped:
    """A model of the package or a finished run, calibrated, run by onnxruntime, without mirroring.

    Of a model with two heads the one that learnt labels. `FerturbError` for anything else.
    """
    graph, about = graph_of(source)
    written = with_winograd(graph)
    content = sealed(written.SerializeToString())
    path = cache_folder() / "one-look" / f"{hashlib.sha256(content).hexdigest()[:16]}.onnx"
    if not path.is_file() or path.read_bytes() != content:
        write_bytes(path, content)
    model = load_pretrained(path, threads, _TOGETHER)
    return Wrapped(partial(asked, model), classes_of(EMOTIONS), name=name or about.name)


def graph_of(source: str | Path) -> tuple[onnx.ModelProto, About]:
    """The graph of such a model, its convolutions as they are, and what is known of the model.

    Takes and raises what `one_look` does.
    """
    module, about = calibrated_module(source)
    label = about.of("label" if "label" in about.heads else about.head)
    once = replace(label, augmentation="none", others={})
    network: Any = module.model
    if len(about.heads) > 1:
        network = network.answering(label.head)
    return calibrated_onnx(calibrated(network, once), once), about


def asked(model: PretrainedModel, faces: np.ndarray) -> np.ndarray:
    """Probabilities of faces (b, 1, 48, 48) in [0, 1], in the whole grey levels it takes."""
    return np.asarray(model.predict_proba(np.rint(faces[:, 0] * 255).clip(0, 255).astype(np.uint8)))
