"""Remove what prediction never opens from an environment: for container images.

    python tools/trim_deployment.py SITE-PACKAGES             # every model
    python tools/trim_deployment.py SITE-PACKAGES --one tiny  # one model, predicting alone
    python tools/trim_deployment.py FOLDER --install --one tiny

The last installs ferturb and what it needs from this checkout into a new folder first; then
`PYTHONPATH=FOLDER python -m ferturb predict PHOTO --model tiny` is the deployment.

Out go onnxruntime's second copy of itself for C programs and its tools, tests, headers, type stubs,
the colouring of source code; with `--one` also all of ferturb but what predicting with that model
opens. pip can no longer upgrade such an environment.
tools/deployment_size.py measures it and sees that the answers on a photo stay the same;
`tools/photograph_app.py --python` shows the web page of such an environment, which with `--one`
it hasn't.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TRIMMED = (
    "onnxruntime/capi/libonnxruntime.so*",
    "onnxruntime/transformers",
    "onnxruntime/tools",
    "onnxruntime/quantization",
    "onnxruntime/datasets",
    "numpy/f2py",
    "numpy/distutils",
    "numpy/testing",
    "numpy/_core/include",
    "numpy/_core/_simd*",
    "numpy/_core/lib/*.a",
    "numpy/random/lib/*.a",
    "numpy/fft",
    "numpy/ma",
    "numpy/polynomial",
    "pygments/lexers",
    "PIL/_imagingcms*",
    "PIL/_imagingmath*",
    "PIL/_imagingmorph*",
    "PIL/_imagingtk*",
    "pillow.libs/liblcms2*",
    "**/tests",
    "**/*.pyi",
    "**/*.pxd",
)
"""Patterns in site-packages: what `ferturb predict` on photos never opens."""
KEPT = (
    "*.py",
    "py.typed",
    "base",
    "cli",
    "features/__init__.py",
    "features/landmarks.onnx",
    "features/landmarks.safetensors",
    "features/points.py",
    "predict/*.py",
    "predict/weights/centerface.*",
    "predict/weights/hidden_features.json",
    "predict/weights/left_out.onnx",
    "predict/weights/{one}.*",
)
"""Patterns in ferturb: all that predicting with one model opens."""
BESIDE = ("numpy/random",)
"""Patterns in site-packages: what is opened for the rest of ferturb alone."""


def install(folder: Path) -> None:
    """ferturb from this checkout, and what prediction needs, into a new folder."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        sys.exit(f"{folder} is there already; give a new folder to install into")
    limits = ROOT / "constraints-deployment.txt"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    into = ["--no-compile", "--constraint", str(limits), "--target", str(folder), str(ROOT)]
    if subprocess.run([*pip, *into], check=False).returncode:
        sys.exit("pip could not install it; what it said is above")


def size(folder: Path) -> int:
    """The bytes of all files under a folder."""
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file() and not p.is_symlink())


def trim(site: Path, one: str | None = None) -> None:
    """Remove what is never opened; with `one`, what predicting with that model never opens."""
    for pattern in TRIMMED if one is None else (*TRIMMED, *BESIDE):
        for path in list(site.glob(pattern)):
            if path.is_dir():
                shutil.rmtree(path)
            elif path.exists():
                path.unlink()
    if one is not None:
        keep_alone(site / "ferturb", one)


def keep_alone(package: Path, one: str) -> None:
    """Remove all of ferturb but what predicting with one model opens."""
    matched = [path for pattern in KEPT for path in package.glob(pattern.format(one=one))]
    kept = {p for path in matched for p in (path, *path.rglob("*"))}
    for path in sorted(package.rglob("*"), reverse=True):  # a folder comes after what is in it
        if path.is_dir():
            if not any(path.iterdir()):
                path.rmdir()
        elif path not in kept:
            path.unlink()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("site", type=Path, help="the environment's site-packages")
    parser.add_argument("--one", help="the only model to keep")
    parser.add_argument("--install", action="store_true", help="make that folder first, with pip")
    options = parser.parse_args()
    if options.install:
        install(options.site)
    models = options.site / "ferturb" / "predict" / "weights"
    if not models.is_dir():
        sys.exit(f"{options.site} has no ferturb; name the site-packages that it is installed in")
    if options.one is not None and not (models / f"{options.one}.safetensors").exists():
        known = ", ".join(sorted(p.stem for p in models.glob("*.safetensors")))
        sys.exit(f"no model {options.one}; there are {known}")
    trim(options.site, options.one)
    print(f"{size(options.site) / 1e6:.1f} MB in {options.site}")


if __name__ == "__main__":
    main()
