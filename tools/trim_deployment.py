"""Remove what prediction never opens from an environment: for container images.

    python tools/trim_deployment.py SITE-PACKAGES             # every model
    python tools/trim_deployment.py SITE-PACKAGES --one tiny  # one model, predicting alone
    python tools/trim_deployment.py FOLDER --install --one tiny

The last installs ferturb and what it needs from this checkout into a new folder first; then
`PYTHONPATH=FOLDER python -m ferturb predict PHOTO --model tiny` is the deployment.

Out go onnxruntime's second copy of itself for C programs and its tools, tests, headers, type stubs,
the colouring of source code; with `--one` also the other models, the overlays of the web page, and
what needs torch. pip can no longer upgrade such an environment.
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
OF_OTHERS = (
    "numpy/random",
    "ferturb/web/weights/attention.onnx",
    "ferturb/features/worn_*.onnx",
    *(f"ferturb/{room}" for room in ("web", "report", "evaluation", "training", "study")),
)
"""What the web page opens, and what needs torch."""


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
    models = site / "ferturb" / "pretrained_models"
    others = sorted({p.stem for p in models.glob("*.onnx")} - {one, "attention"})
    patterns = list(TRIMMED)
    if one is not None:
        patterns += [*OF_OTHERS, *(f"ferturb/predict/weights/{name}.*" for name in others)]
    for pattern in patterns:
        for path in list(site.glob(pattern)):
            if path.is_dir():
                shutil.rmtree(path)
            elif path.exists():
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
    models = options.site / "ferturb" / "pretrained_models"
    if not models.is_dir():
        sys.exit(f"{options.site} has no ferturb; name the site-packages that it is installed in")
    if options.one is not None and not (models / f"{options.one}.onnx").exists():
        known = ", ".join(sorted({p.stem for p in models.glob("*.onnx")} - {"attention"}))
        sys.exit(f"no model {options.one}; there are {known}")
    trim(options.site, options.one)
    print(f"{size(options.site) / 1e6:.1f} MB in {options.site}")


if __name__ == "__main__":
    main()
