r"""What a deployment of `ferturb predict` weighs, and how soon it answers.

    python tools/deployment_size.py --trim --constraint constraints-deployment.txt \
        --out results/deployment.csv

Builds the wheel, installs it with what it needs into an empty environment without pip and
setuptools, and measures:

- what was downloaded: the bytes of all wheels;
- what is installed: the bytes of all files in site-packages, as pip leaves them with --no-compile,
  and with the bytecode that Python writes beside them;
- `--trim`: the same after tools/trim_deployment.py, and after it with one model alone (`--one`);
- the time from a shell to the answer on one photo, the first time and then the fastest of
  several (wall clock, and processor time, which a busy machine doesn't stretch); in a process
  in which any connection to a network fails, and in which torch can't be imported;
- what is in ferturb's wheel, by kind of file, and what `ferturb app --export` writes.

Needs a package registry, or `--wheels` with a folder of wheels; and npm, or `--runtime`.
"""

from __future__ import annotations

import argparse
import compileall
import csv
import io
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import venv
import zipfile
from collections import Counter
from importlib.metadata import Distribution, distributions
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image
from trim_deployment import size, trim

from ferturb.base.storage import write_text
from ferturb.predict.shipped import NAMES

ROOT = Path(__file__).parents[1]
OFFLINE = """
import importlib.util, socket, sys
def refused(*a, **k):
    raise OSError("no network here")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refused
assert importlib.util.find_spec("torch") is None, "torch is installed"
from ferturb.cli.main import main
main(sys.argv[1:])
"""


def run(*command: str | Path) -> str:
    """A command's output; its errors end the program."""
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}")
    return done.stdout


def fetch(wheels: Path, constraint: Path | None, extra: Path | None) -> Path:
    """ferturb's wheel, and all it needs, in one folder; the path of ferturb's."""
    pip: list[str | Path] = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    run(*pip, "wheel", "--no-deps", "--wheel-dir", wheels, ROOT)
    own = next(wheels.glob("ferturb-*.whl"))
    limits = [] if constraint is None else ["--constraint", str(constraint)]
    places = [] if extra is None else ["--no-index", "--find-links", str(extra)]
    run(*pip, "download", "--only-binary=:all:", "--dest", wheels, *limits, *places, own)
    return own


def contents(wheel: Path) -> dict[str, int]:
    """The packed bytes of a wheel's files by the folder of ferturb that they are in, and kind."""
    found: Counter[str] = Counter()
    with zipfile.ZipFile(wheel) as archive:
        for entry in archive.infolist():
            path = PurePosixPath(entry.filename)
            place = path.parts[1] if path.parts[0] == "ferturb" and len(path.parts) > 2 else "."
            kind = "code" if path.suffix in (".py", ".js", ".css", ".html") else "data"
            found[f"{place}, {kind}"] += entry.compress_size
    return found


def page(environment: Path, folder: Path, runtime: Path | None) -> dict[str, int]:
    """The bytes of what `ferturb app --export` writes: all of it, and by its folders."""
    given = [] if runtime is None else ["--runtime", str(runtime)]
    run(environment / "bin" / "ferturb", "app", "--export", folder, *given)
    parts = {place.name: size(place) for place in sorted(folder.iterdir()) if place.is_dir()}
    return {"all": size(folder)} | parts


def install(environment: Path, wheels: Path, own: Path) -> Path:
    """An empty environment with the wheels in it; its site-packages."""
    venv.create(environment, with_pip=False, symlinks=True)
    python = environment / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python)]
    run(*pip, "install", "--no-compile", "--no-index", "--find-links", wheels, own)
    return next((environment / "lib").glob("python*/site-packages"))


def weight(found: Distribution) -> int:
    """The bytes of what one distribution installed."""
    paths = (Path(str(found.locate_file(file))) for file in found.files or [])
    return sum(path.stat().st_size for path in paths if path.is_file())


def photo(path: Path) -> None:
    """A photo of one drawn face."""
    from ferturb.data.drawn.synthetic import draw

    face = Image.fromarray(draw(1, seed=11).images.numpy()[0]).resize((160, 160))
    wall = Image.fromarray(np.full((300, 400), 170, np.uint8))
    wall.paste(face, (120, 70))
    wall.convert("RGB").save(path)


def starts(environment: Path, path: Path, times: int) -> list[tuple[float, float]]:
    """Wall-clock and processor seconds of `ferturb predict PHOTO`, each in a new process."""
    found = []
    for _ in range(times):
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        run(environment / "bin" / "ferturb", "predict", path)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        found.append((time.perf_counter() - start, spent))
    return found


def offline(environment: Path, path: Path, model: str = "clean") -> list[dict[str, object]]:
    """What is said of the photo where nothing can be reached and torch isn't there."""
    python = environment / "bin" / "python"
    said = run(python, "-I", "-B", "-c", OFFLINE, "predict", path, "--json", "--model", model)
    faces: list[dict[str, object]] = json.loads(said)[0]["faces"]
    return faces


def measure(folder: Path, options: argparse.Namespace) -> list[dict[str, object]]:
    """Rows of (what, value, unit)."""
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    wheels, environment = folder / "wheels", folder / "environment"
    own = fetch(wheels, options.constraint, options.wheels)
    rows: list[dict[str, object]] = []

    def note(what: str, value: float, unit: str = "MB") -> None:
        rows.append({"what": what, "value": round(value, 2), "unit": unit})
        print(f"{value:8.2f} {unit}  {what}", flush=True)

    note("downloaded, all wheels", sum(p.stat().st_size for p in wheels.glob("*.whl")) / 1e6)
    note("downloaded, ferturb's wheel", own.stat().st_size / 1e6)
    for what, bytes_ in sorted(contents(own).items(), key=lambda item: -item[1]):
        if bytes_ >= 5e3:
            note(f"  in the wheel: {what}", bytes_ / 1e6)
    site = install(environment, wheels, own)
    note("installed, without bytecode", size(site) / 1e6)
    parts = {f"{d.name} {d.version}": weight(d) for d in distributions(path=[str(site)])}
    for name, bytes_ in sorted(parts.items(), key=lambda item: -item[1]):
        note(f"  {name}", bytes_ / 1e6)
    path = folder / "photo.jpg"
    photo(path)
    faces = offline(environment, path)
    note("faces found in a photo of one, offline and without torch", len(faces), "faces")
    for what, bytes_ in page(environment, folder / "page", options.runtime).items():
        note(f"the page without a server: {what}", bytes_ / 1e6)
    if options.trim:
        shutil.copytree(environment, folder / "trimmed", symlinks=True)
        small = folder / "trimmed" / site.relative_to(environment)
        trim(small)
        note("trimmed, without bytecode", size(small) / 1e6)
        if offline(folder / "trimmed", path) != faces:
            sys.exit("the trimmed environment answers differently")
        trim(small, options.one)
        faces = offline(environment, path, options.one)
        note(f"trimmed, with {options.one} alone", size(small) / 1e6)
        if offline(folder / "trimmed", path, options.one) != faces:
            sys.exit("the environment with one model answers differently")
    compileall.compile_dir(site, quiet=2)
    note("installed, with bytecode", size(site) / 1e6)
    found = starts(environment, path, options.starts)
    note("first answer, wall clock", found[0][0], "s")
    note("fastest answer, wall clock", min(wall for wall, _ in found), "s")
    note("fastest answer, processor time", min(cpu for _, cpu in found), "s")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--constraint", type=Path, help="a file of pins for pip")
    parser.add_argument("--wheels", type=Path, help="take wheels from this folder alone")
    parser.add_argument("--runtime", type=Path, help="onnxruntime-web as npm packs it")
    parser.add_argument("--trim", action="store_true")
    parser.add_argument("--one", choices=tuple(NAMES), default="tiny", help="the model to keep")
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--out", type=Path, help="a CSV file")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(Path(folder), options)
    if options.out:
        text = io.StringIO()
        writer = csv.DictWriter(text, ["what", "value", "unit"], lineterminator="\n")
        writer.writeheader()
        writer.writerows({**row, "what": re.sub("^  ", "of it ", str(row["what"]))} for row in rows)
        write_text(options.out, text.getvalue())


if __name__ == "__main__":
    main()
