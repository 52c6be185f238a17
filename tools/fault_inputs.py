"""What people give to ferturb: photos, tables, places for its output, options, names."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

import pyarrow as pa
from fault_files import NETWORK, PLAIN
from faults import Fault, Setting, command, flipped, goes
from pyarrow import parquet

from ferturb.data.drawn.synthetic import synthetic_faces
from ferturb.data.readers.csv_tables import write_csv
from ferturb.data.readers.fer2013 import write_folder
from ferturb.data.sources import load_source
from ferturb.predict.predictor import Predictor
from ferturb.runs.execute import execute_run, prepare
from malformed_files import malformed

SECONDS = 5
"""A refusal that takes more processor time than this, torch being loaded, is a failure."""


def images(setting: Setting) -> Iterator[Fault]:
    """Malformed image files of every kind, given to the predictor."""
    predictor = Predictor("tiny", threads=1)

    def bear(number: int, data: bytes) -> None:
        path = setting.place / f"{number}.png"
        path.write_bytes(data)
        goes(lambda: list(predictor.predict_files([path])))

    for number, data in enumerate(islice(malformed(50 * setting.many), 50 * setting.many)):
        yield f"malformed image {number}", lambda n=number, d=data: bear(n, d)


def tables(setting: Setting) -> Iterator[Fault]:
    """Datasets in three forms, cut, flipped and spliced."""
    faces, place = synthetic_faces(70), setting.place
    write_csv(faces, place / "fer2013.csv")
    write_folder(faces, place / "folder")
    shutil.make_archive(str(place / "faces"), "zip", place / "folder")
    columns = {"image": [row.tobytes() for row in faces.images.numpy()], "label": faces.labels}
    parquet.write_table(
        pa.table({k: pa.array(list(map(_plain, v))) for k, v in columns.items()}),
        place / "faces.parquet",
    )
    good = [path.read_bytes() for path in sorted(place.iterdir()) if path.is_file()]
    names = [path.name for path in sorted(place.iterdir()) if path.is_file()]

    def bear(name: str, data: bytes) -> None:
        path = place / f"damaged-{name}"
        path.write_bytes(data)
        goes(lambda: load_source(path).counts())

    for number in range(12 * setting.many):
        for name, data in zip(names, good, strict=True):
            at = int(setting.random.integers(0, len(data)))
            other = good[number % len(good)]
            changed = {
                "cut": data[:at],
                "bits flipped": flipped(data, setting.random, 1 + number),
                "spliced": data[:at] + other[int(setting.random.integers(0, len(other))) :],
            }
            words = list(changed)[number % 3]
            yield f"{name}: {words}", lambda name=name, data=changed[words]: bear(name, data)


def _plain(value: object) -> object:
    return value if isinstance(value, bytes) else int(value)  # type: ignore[call-overload]


def _places(place: Path) -> dict[str, Path]:
    """Where nothing can be written, by what is there."""
    place.mkdir(parents=True)
    (place / "file").write_text("mine")
    os.mkfifo(place / "pipe")
    (place / "loop").symlink_to("loop")
    return {
        "a device": Path("/dev/null"),
        "a full device": Path("/dev/full"),
        "below a device": Path("/dev/zero/x"),
        "a pipe": place / "pipe",
        "below a pipe": place / "pipe" / "x",
        "below a file": place / "file" / "deep" / "x",
        "a link to itself": place / "loop",
        "a long name": place / ("n" * 300),
        "a long path": place / "/".join(["deep"] * 1200),
        "what the kernel shows": Path("/proc/x"),
    }


def outputs(setting: Setting) -> Iterator[Fault]:
    """Every verb that writes, told to write where it can't: refused soon, nothing is touched."""
    source, runs = setting.place / "fer2013.csv", setting.place / "runs"
    write_csv(synthetic_faces(70), source)
    execute_run(prepare(runs, PLAIN), synthetic_faces(70))
    run, data = str(prepare(runs, PLAIN).folder), str(source)
    verbs: dict[str, Callable[[str], list[str]]] = {
        "train": lambda out: ["train", "--data", data, "--model", NETWORK, "--out", out],
        "study": lambda out: ["study", "quick", "--data", data, "--out", out],
        "leave-out": lambda out: ["leave-out", data, "--feature", "mouth", "--out", out],
        "mask": lambda out: ["mask", data, "--out", out],
        "data synthesize": lambda out: ["data", "synthesize", out, "--faces", "14"],
        "data synthesize --csv": lambda out: ["data", "synthesize", out, "--faces", "14", "--csv"],
        "data audit": lambda out: ["data", "audit", data, "--write-clean", out],
        "export": lambda out: ["export", "tiny", "--out", out],
        "ablate": lambda out: ["ablate", run, "--data", data, "--out", out],
        "explain": lambda out: ["explain", run, "--data", data, "--out", out],
    }

    def bear(words: list[str], out: Path) -> None:
        before = out.lstat() if os.path.lexists(out) else None
        started = time.process_time()
        assert not command(*words), "it says that it wrote there"
        assert time.process_time() - started < SECONDS, "it took long to refuse"
        after = out.lstat() if os.path.lexists(out) else None
        assert (after and after.st_mode, after and after.st_ino) == (
            before and before.st_mode,
            before and before.st_ino,
        ), "what was there is gone"

    for number, (verb, words) in enumerate(verbs.items()):
        for there, out in _places(setting.place / str(number)).items():
            yield f"{verb} --out: {there}", lambda w=words, o=out: bear(w(str(o)), o)


OPTIONS = {
    "--epochs": ("0", "-1", "x", "1e3", "999999999999999999999"),
    "--learning-rate": ("-1", "nan", "inf", "x"),
    "--seed": ("x", "1.5"),
    "--training-faces": ("0", "-5", "x"),
    "--subset-seed": ("-1",),
    "--small-faces": ("-1", "2", "nan"),
    "--attention-epochs": ("x", "1.5"),
    "--model": ("", "x" * 5000, "resnet81", "../../x"),
    "--method": ("", "perturbed", "x\ny"),
    "--recipe": ("", "slow"),
    "--data": ("", "/nowhere", "/dev/null", "x" * 5000, "http://example.org/x.zip"),
    "--face-masks": ("", "hat"),
    "--left-out": ("", "ear"),
    "--left-out-fill": ("", "red"),
    "--alteration-seed": ("-1",),
    "--start-from": ("/nowhere", "x" * 5000, "/dev/null"),
    "--teachers": ("/nowhere", "/dev/null"),
    "--resume": ("/nowhere", "/dev/null", "x" * 5000),
}
"""Of `ferturb train`: what each can't be."""


def options(setting: Setting) -> Iterator[Fault]:
    """Options of a training out of their bounds: refused, and no folder is left."""
    source = setting.place / "fer2013.csv"
    write_csv(synthetic_faces(70), source)

    def bear(option: str, value: str) -> None:
        out = setting.place / f"runs-{setting.random.integers(2**62)}"
        given = {"--data": str(source), "--model": NETWORK, "--epochs": "1", option: value}
        words = [f"{name}={value}" for name, value in given.items()]
        assert not command("train", *words, "--out", str(out), "--quiet"), "it was taken"
        assert not out.exists(), f"left behind: {[str(p) for p in out.rglob('*')]}"

    for option, values in OPTIONS.items():
        for value in values:
            yield f"{option} {value[:40]!r}", lambda o=option, v=value: bear(o, v)


NAMES = (
    *("naïve 😀", "a\nb", "[bold]x[/bold]", ":smile:", "-rf", " ", "...", "a" * 200, "CON", "%s{}"),
    *("$(id)", "a;b", "a\tb", "*", "~", "'\"", "\udcff\udcfe", "x.zip", "ﬁ", "\u202e", "."),
)
"""Of folders: what people, and those who mean no good, have called them."""


def names(setting: Setting) -> Iterator[Fault]:
    """A folder of an odd name that is trained from and to, measured, and read."""
    faces = synthetic_faces(70)

    def bear(number: int, name: str) -> None:
        folder = setting.place / str(number) / name
        folder.mkdir(parents=True, exist_ok=True)
        write_csv(faces, folder / "fer2013.csv")
        given = ["--data", str(folder / "fer2013.csv"), "--model", NETWORK, "--epochs", "1"]
        if not command("train", *given, "--out", str(folder / "runs")):
            return  # safetensors opens no path that is not UTF-8
        (run,) = (folder / "runs").iterdir()
        assert command("evaluate", str(run)), "it can't be measured"
        assert command("data", "info", str(folder)) or not name.strip(), "it can't be read"

    for number, name in enumerate(NAMES):
        yield f"a folder named {name[:30]!r}", lambda n=number, name=name: bear(n, name)
