"""onnxruntime for browsers: which files of the npm package onnxruntime-web a page takes along.

The package (MIT licence) is not shipped with ferturb: of its 30 MB a page needs two files. They
come from a folder or a .tgz that is there, or through `npm pack`, and are checked against the
hashes below, wherever they came from.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from ferturb.base.errors import FerturbError, first_line

PACKAGE = "onnxruntime-web@1.26.0"
FILES: dict[str, str] = {
    "ort.wasm.bundle.min.mjs": "1e3491b976ffaf231ac5bd48fb17516ce31d5f1a47c67a63b6bbb868655483bd",
    "ort-wasm-simd-threaded.wasm": (
        "040d52ce5066707a10d45cb9500c35e70a9c2fb33c4fb63428da9ae45b956b97"
    ),
}
"""Name -> SHA-256."""
LICENCES = ("LICENSE", "ThirdPartyNotices.txt")
"""Of onnxruntime, in its Python package; the npm package leaves them out."""
_PATIENCE = 600.0


def runtime_files(source: Path | None = None) -> dict[str, bytes]:
    """The files of `FILES` by name.

    `source`: the .tgz that `npm pack` writes, or a folder that it was unpacked or installed into;
    None asks npm for it. What is missing or not the expected version raises `FerturbError`.
    """
    if source is None:
        with tempfile.TemporaryDirectory() as folder:
            return runtime_files(fetch(Path(folder)))
    if not source.exists():
        raise FerturbError(f"{source} does not exist; give what `npm pack {PACKAGE}` writes")
    found = _unpacked(source) if source.is_file() else _listed(source)
    for name, expected in FILES.items():
        came = hashlib.sha256(found[name]).hexdigest() if name in found else "no such file"
        if came != expected:
            raise FerturbError(
                f"{source} is not {PACKAGE}: expected {name} with SHA-256 {expected[:12]}…, got "
                f"{came[:12]}; give what `npm pack {PACKAGE}` writes"
            )
    return found


def fetch(folder: Path) -> Path:
    """The package as a .tgz in a folder, through npm; without npm or a registry `FerturbError`."""
    npm = shutil.which("npm")
    if npm is None:
        raise FerturbError(_missing("npm is not installed"))
    command = [npm, "pack", PACKAGE, "--silent", "--pack-destination", str(folder)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=_PATIENCE, cwd=folder
        )
    except subprocess.TimeoutExpired as error:
        raise FerturbError(_missing("npm did not answer")) from error
    made = next(folder.glob("onnxruntime-web-*.tgz"), None)
    if done.returncode or made is None:
        reason = next((line for line in done.stderr.splitlines() if line.strip()), "npm failed")
        raise FerturbError(_missing(reason.strip()))
    return made


def licences() -> dict[str, bytes]:
    """onnxruntime's licence and its third parties', by name."""
    found = importlib.util.find_spec("onnxruntime")
    if found is None or found.origin is None:
        raise FerturbError("onnxruntime is not installed; pip install onnxruntime")
    folder = Path(found.origin).parent
    return {name: (folder / name).read_bytes() for name in LICENCES if (folder / name).is_file()}


def _missing(reason: str) -> str:
    return (
        f"the page needs {PACKAGE} and can't get it ({reason}); run `npm pack {PACKAGE}` where "
        "there is npm and a network, and give --runtime the file"
    )


def _listed(folder: Path) -> dict[str, bytes]:
    places = (folder, folder / "dist", folder / "package" / "dist")
    there = ((name, place / name) for place in places for name in FILES)
    return {name: path.read_bytes() for name, path in there if path.is_file()}


def _unpacked(path: Path) -> dict[str, bytes]:
    found = {}
    try:
        with tarfile.open(path) as archive:
            for name in FILES:
                member = archive.extractfile(f"package/dist/{name}")
                if member is not None:
                    found[name] = member.read()
    except (KeyError, OSError, EOFError, tarfile.TarError) as error:
        raise FerturbError(
            f"{path} is not {PACKAGE}: {first_line(error)}; give what `npm pack {PACKAGE}` writes"
        ) from error
    return found
