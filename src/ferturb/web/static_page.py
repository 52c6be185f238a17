"""The page as static files: the networks run in the browser, and no server is needed but for files.

The page is the server's, with another `api.js`: it asks a worker, which runs the same ONNX files
with onnxruntime-web (`ferturb.web.runtime`). What Python does before and after the networks is
written anew in alone/, to the bit where Pillow is concerned; its constants are handed over in
settings.json. `tests/web/test_static_page.py` compares the answers.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ferturb.base.decode import FACE_SIZE
from ferturb.base.decode import LONGEST as LONGEST_PHOTO
from ferturb.base.shrinking import GROUND
from ferturb.base.storage import atomic_folder, require_new
from ferturb.predict import (
    abstention,
    alignment,
    altering,
    crops,
    detection,
    geometry,
    hidden_features,
    landmark_finder,
)
from ferturb.predict.shipped import load_pretrained, shipped
from ferturb.web import occlusion
from ferturb.web.answers import Answers
from ferturb.web.runtime import licences, runtime_files

MODELS = ("tiny", "robust")
"""The models that a page takes along, the one to start with first."""
PIXELS = 50_000_000
"""What a picture may have at most: a browser's memory is smaller than a server's."""
POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self' blob:; "
    "connect-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "base-uri 'none'; form-action 'none'"
)
"""In the page itself, since a host of files need send no headers; the worker inherits it."""
PAGE, ALONE = (Path(__file__).with_name(name) for name in ("page", "alone"))
NETWORKS = "networks"
"""The folder of the page that they are in."""
_ON_TOP = ("api.js", "sw.js")
_AS_THEY_ARE = ("LICENSE", "ort.wasm.bundle.min.mjs")
_PLACES = {
    '<meta charset="utf-8">': (
        '<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" content="{policy}">'
    ),
    "It stays on this machine.": "It never leaves this device.",
    '<div id="message" role="alert">': (
        '<p id="once" class="note">Loading {size:.0f} MB, once; later it opens without a network. '
        "If nothing happens: a page on a disk can’t load its parts; serve its folder with "
        'python -m http.server. <progress id="loading" value="0"></progress></p>\n    '
        '<div id="message" role="alert">'
    ),
    "on the machine that runs this page; nothing is stored or sent elsewhere.": (
        "in this browser and never leave this device: the page may "
        "load its own files and can send nothing anywhere else."
    ),
}
"""What index.html says of a server -> what it says without."""


def export_page(folder: Path, runtime: Path | None = None) -> dict[str, int]:
    """Write the page into a new folder; the bytes of its files by name.

    `runtime`: where onnxruntime-web comes from, as `runtime_files` takes it. `FerturbError` without
    it, and for a folder that is there.
    """
    require_new(folder)
    files = _files(runtime_files(runtime))
    with atomic_folder(folder) as made:
        for name, data in files.items():
            path = made / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
    return {name: len(data) for name, data in files.items()}


def _files(runtime: Mapping[str, bytes]) -> dict[str, bytes]:
    """Every file of the page by its name, and last what lists the others."""
    found = {p.relative_to(PAGE).as_posix(): p.read_bytes() for p in sorted(PAGE.rglob("*.*"))}
    for path in sorted(ALONE.glob("*.js")):
        found[path.name if path.name in _ON_TOP else f"{ALONE.name}/{path.name}"] = (
            path.read_bytes()
        )
    for name, data in {**licences(), **runtime}.items():
        if name in _AS_THEY_ARE:
            found[f"runtime/{name}"] = data
        else:
            found[f"runtime/{name}.gz"] = _packed(data)
    networks: dict[str, dict[str, Any]] = {}
    for name, graph in _graphs().items():
        found[f"{NETWORKS}/{graph.name}.gz"] = _packed(graph.read_bytes())
        networks[name] = {"graph": f"{NETWORKS}/{graph.name}.gz", "weights": None}
        if (weights := graph.with_suffix(".safetensors")).is_file():
            found[f"{NETWORKS}/{weights.name}.gz"] = _packed(weights.read_bytes())
            networks[name]["weights"] = {
                "name": weights.name,
                "file": f"{NETWORKS}/{weights.name}.gz",
            }
    found[f"{NETWORKS}/centerface.txt"] = detection.WEIGHTS.with_suffix(".txt").read_bytes()
    told = settings() | {"networks": networks, "runtime": "runtime/ort-wasm-simd-threaded.wasm.gz"}
    found["settings.json"] = json.dumps(told).encode()
    size = sum(map(len, found.values())) / 1e6
    found["index.html"] = _index(found["index.html"].decode(), size).encode()
    found["sw.js"] = _listing(found) + found["sw.js"]
    return found


def settings() -> dict[str, Any]:
    """What the page's programs have to know: the constants of their models in Python."""
    about = Answers({n: load_pretrained(n, 1) for n in MODELS}, attention=Path(), threads=1).about()
    about["upload"]["pixels"] = PIXELS
    finder = landmark_finder.LandmarkFinder(1)
    mean, std, bias, weights = hidden_features.fitted()
    fitted = zip(hidden_features.FEATURES, bias.tolist(), weights.tolist(), strict=True)
    return {
        "about": about,
        "photo": {"longest": LONGEST_PHOTO, "ground": GROUND, "most": PIXELS},
        "detection": {
            "longest": detection.LONGEST,
            "least": detection.LEAST,
            "most_enlarged": detection.MOST_ENLARGED,
            "threshold": detection.UNSURE,
            "most": detection.MOST_FACES,
            "overlap": geometry.OVERLAP,
        },
        "alignment": {
            "margin": alignment.MARGIN,
            "follow": alignment.FOLLOW,
            "sure": alignment.SURE,
            "most_change": alignment.MOST_CHANGE,
            "finer": alignment.FINER,
            "turned_by": alignment.TURNED_BY,
            "mean_shape": finder.mean_shape.tolist(),
        },
        "crops": {
            "sure": detection.SURE,
            "likely": crops.LIKELY_A_FACE,
            "landmarks_from": abstention.LANDMARKS_FROM,
        },
        "hidden": {
            "groups": hidden_features.INDEX,
            "reach": hidden_features.REACH,
            "mean": mean.tolist(),
            "std": std.tolist(),
            "features": {n: {"bias": b, "weights": w} for n, b, w in fitted},
        },
        "occlusion": {
            "side": (side := FACE_SIZE // occlusion.SHARE),
            "step": side // occlusion.STEPS,
            "grey": occlusion.MEAN_GREY,
        },
    }


def _graphs() -> dict[str, Path]:
    """The ONNX file of every network by its name; the weights of some lie beside them."""
    altered = sorted(altering.FOLDER.glob("worn_*.onnx"))
    return {
        **{name: shipped(name).with_suffix(".onnx") for name in MODELS},
        "landmarks": landmark_finder.GRAPH,
        "left_out": altering.FOLDER / "left_out.onnx",
        **{path.stem: path for path in altered},
        "centerface": detection.WEIGHTS,
    }


def _packed(data: bytes) -> bytes:
    return gzip.compress(data, 9, mtime=0)


def _index(text: str, size: float) -> str:
    for said, instead in _PLACES.items():
        if text.count(said) != 1:
            raise AssertionError(f"index.html should say once: {said}")
        text = text.replace(said, instead.format(policy=POLICY, size=size))
    return text


def _listing(files: Mapping[str, bytes]) -> bytes:
    """What the service worker has to keep, and a version that changes with any of it."""
    digest = hashlib.sha256(b"".join(name.encode() + data for name, data in sorted(files.items())))
    kept = ["./", *(name for name in files if name not in ("index.html", "sw.js"))]
    lines = {"VERSION": digest.hexdigest()[:16], "FILES": kept}
    return "".join(f"const {k} = {json.dumps(v)};\n" for k, v in lines.items()).encode()
