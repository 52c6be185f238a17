"""Running ONNX files with onnxruntime, and nothing else: no torch on this path.

A file that ferturb wrote carries a JSON description under the key "ferturb" of its metadata.
Weights may lie in a safetensors file beside it (`tools/shared_weights.py` puts them there).
"""

from __future__ import annotations

import importlib
import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ferturb.base.checks import require_whole
from ferturb.base.errors import FerturbError, first_line
from ferturb.base.reading import reading
from ferturb.base.text import is_utf8
from ferturb.base.threads import usable_cores

META_KEY = "ferturb"
"""Under this key of an ONNX file's metadata ferturb keeps a JSON description."""
_SEAL = b"\x72\x11\x0a\x05crc32\x12\x08"
"""How an entry `crc32` of eight letters begins, in the metadata of an ONNX file's protobuf."""
_BESIDE = "session.model_external_initializers_file_folder_path"
"""Where a file's weights lie, if onnxruntime is given its bytes."""
MOST_THREADS = 1024
_FORKED: list[Any] = []
"""Sessions of a parent process. Their threads don't live here: to end them would wait forever."""


class OnnxModel:
    """An open ONNX file: named arrays in, arrays out.

    It may be pickled, and used in a forked process: the file is opened there anew.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        """`threads` None lets onnxruntime take all cores.

        `FerturbError` when onnxruntime or the file is missing, or the file is not ONNX.
        """
        self.path, self.threads = path, threads
        self.session, self._process = _session(path, threads), os.getpid()
        self.meta = _meta(self.session, path)

    def run(self, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """The outputs in the file's order; what the graph doesn't take raises `FerturbError`."""
        if self._process != os.getpid():
            _FORKED.append(self.session)
            self.session, self._process = _session(self.path, self.threads), os.getpid()
        try:
            outputs: list[np.ndarray] = self.session.run(None, dict(inputs))
        except Exception as error:  # onnxruntime has an exception class of its own for each failure
            raise FerturbError(f"{self.path} could not be run: {first_line(error)}") from error
        return outputs

    def __reduce__(self) -> tuple[type[OnnxModel], tuple[Path, int | None]]:
        return OnnxModel, (self.path, self.threads)


def threads_of(threads: int | None) -> int:
    """A number of threads, one a core for None; `FerturbError` for what can't be one."""
    return usable_cores() if threads is None else require_whole("threads", threads, 1, MOST_THREADS)


def sealed(model: bytes) -> bytes:
    """An ONNX file with its checksum behind it: to ONNX one more entry of the metadata, `crc32`."""
    return model + _SEAL + b"%08x" % zlib.crc32(model)


def _require_unchanged(path: Path) -> None:
    """Raise `FerturbError` for a file that has a checksum (`sealed`), and not its own."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - len(_SEAL) - 8))
        if not (end := file.read()).startswith(_SEAL):
            return
        file.seek(0)
        if sealed(file.read()[: -len(end)]).endswith(end):
            return
    raise FerturbError(
        f"{path} is damaged, or another program changed it: its checksum is not the one it was "
        "written with; export the model again"
    )


def _meta(session: Any, path: Path) -> dict[str, Any]:
    found = session.get_modelmeta().custom_metadata_map.get(META_KEY, "{}")
    with reading(path, "an ONNX file of ferturb's", "export the model again"):
        meta: dict[str, Any] = json.loads(found)
        if not isinstance(meta, dict):
            raise ValueError("its description is not a JSON object")
    return meta


def _session(path: Path, threads: int | None) -> Any:
    try:
        onnxruntime: Any = importlib.import_module("onnxruntime")
    except ImportError as error:
        raise FerturbError(
            "onnxruntime is not installed, which prediction runs on; pip install onnxruntime"
        ) from error
    if threads is not None:
        threads_of(threads)
    if not path.is_file():
        raise FerturbError(f"{path} does not exist; give an ONNX file")
    _require_unchanged(path)
    onnxruntime.disable_telemetry_events()  # for whoever imported it before ferturb
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads or 0
    options.inter_op_num_threads = 1
    # Threads that wait in a busy loop take the cores from whoever reads the photos.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        given = path if is_utf8(str(path)) else path.read_bytes()  # it opens no other names
        if given is not path and is_utf8(str(path.parent)):
            options.add_session_config_entry(_BESIDE, str(path.parent))
        return onnxruntime.InferenceSession(given, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has an exception class of its own for each failure
        advice = "" if is_utf8(str(path.parent)) else "; rename the folder, which is not UTF-8"
        raise FerturbError(
            f"{path} is not an ONNX file that can be run: {first_line(error)}{advice}"
        ) from error
