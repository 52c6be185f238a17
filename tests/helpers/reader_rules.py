"""What every reader accepts: each rule, in each form that faces come in.

The tests of `tests/data/readers/test_rules.py` try every rule in every form, and `docs/data.md`
shows the same table (`tools/write_docs.py`).
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
SPLITS = ("train", "validation", "test")
BROKEN = "broken"
"""In the place of an image: one that can't be read."""


@dataclass(frozen=True)
class Row:
    """One face as a source has it, and what it must become.

    `label` and `code` are None for a face that is left out; `code` is -1 where the reader draws
    the split.
    """

    image: np.ndarray | str
    cls: object
    split: str | None
    label: int | None
    code: int | None


@dataclass(frozen=True)
class Rule:
    """What a source may have, and what becomes of it: read, read with a note, or refused."""

    title: str
    change: Callable[[list[Row]], list[Row]]
    becomes: str = "read"
    note: str = ""
    """A regular expression that a note must match; "" for no note."""
    error: str = ""
    order: str | None = None
    only: tuple[str, ...] = ()
    otherwise: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)
    """Form -> (becomes, note, error), where it differs."""

    def of(self, form: str) -> Rule:
        """The rule as it is for one form."""
        if form not in self.otherwise:
            return self
        becomes, note, error = self.otherwise[form]
        return replace(self, becomes=becomes, note=note, error=error)


def rows(each: int = 3) -> list[Row]:
    """Different faces, `each` of every emotion and split, as FER2013's CSV has them."""
    generator = np.random.default_rng(11)
    return [
        Row(generator.integers(0, 256, (48, 48), np.uint8), EMOTIONS[label], split, label, code)
        for code, split in enumerate(SPLITS)
        for label in range(7)
        for _ in range(each)
    ]


def png(image: np.ndarray | str) -> bytes:
    """An image file."""
    if isinstance(image, str):
        return b"\x89PNG\r\n\x1a\n and no more"
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG")
    return buffer.getvalue()


def text(image: np.ndarray | str) -> str:
    """A cell of pixels."""
    return image if isinstance(image, str) else " ".join(map(str, image.flatten().tolist()))


def files_of(some: Sequence[Row]) -> dict[str, bytes]:
    """``<split>/<class>/<n>.png``; a class or a split that is missing has no folder."""
    return {
        "/".join([*(str(p) for p in (r.split, r.cls) if p not in (None, "")), f"{i}.png"]): png(
            r.image
        )
        for i, r in enumerate(some)
    }


def write_folders(some: Sequence[Row], folder: Path) -> Path:
    for name, data in files_of(some).items():
        path = folder / "faces" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder / "faces"


def write_zip(some: Sequence[Row], folder: Path) -> Path:
    with zipfile.ZipFile(folder / "faces.zip", "w") as archive:
        for name, data in files_of(some).items():
            archive.writestr(name, data)
    return folder / "faces.zip"


def csv_lines(some: Sequence[Row]) -> list[tuple[str, ...]]:
    """The cells of a CSV with its header; without any split there is no column for it."""
    width = 3 if any(r.split is not None for r in some) else 2
    cells = [(str("" if r.cls is None else r.cls), text(r.image), r.split or "") for r in some]
    return [row[:width] for row in (("emotion", "pixels", "Usage"), *cells)]


def write_csv(some: Sequence[Row], folder: Path) -> Path:
    lines = [",".join(cells) for cells in csv_lines(some)]
    (folder / "faces.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "faces.csv"


def table_of(some: Sequence[Row], pixels: bool = False) -> pa.Table:
    """As Hugging Face has it: an image with its bytes, or the columns of fer2013.csv."""
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    images = (
        pa.array([text(r.image) for r in some])
        if pixels
        else pa.array([{"bytes": png(r.image), "path": None} for r in some], kind)
    )
    columns = {"pixels" if pixels else "image": images, "label": pa.array([r.cls for r in some])}
    if any(r.split is not None for r in some):
        columns["split"] = pa.array([r.split for r in some])
    return pa.table(columns)


def write_parquet(some: Sequence[Row], folder: Path) -> Path:
    pq.write_table(table_of(some), folder / "faces.parquet")
    return folder / "faces.parquet"


def write_pixels(some: Sequence[Row], folder: Path) -> Path:
    pq.write_table(table_of(some, pixels=True), folder / "pixels.parquet")
    return folder / "pixels.parquet"


def write_arrow(some: Sequence[Row], folder: Path) -> Path:
    """As `Dataset.save_to_disk` leaves it."""
    table = table_of(some)
    (folder / "saved").mkdir()
    (folder / "saved" / "state.json").write_text(json.dumps({"_format_type": None}))
    with pa.ipc.new_stream(folder / "saved" / "data-00000-of-00001.arrow", table.schema) as file:
        file.write_table(table)
    return folder / "saved"


def person_folders(some: list[Row]) -> list[Row]:
    """Each face in a folder of the person it is of, below its emotion's."""
    return [replace(r, cls=f"{r.cls}/{('S010', '11', 'F 2')[i % 3]}") for i, r in enumerate(some)]


FORMS: dict[str, Callable[[Sequence[Row], Path], Path]] = {
    "folders": write_folders,
    "zip": write_zip,
    "CSV": write_csv,
    "parquet": write_parquet,
    "parquet of pixels": write_pixels,
    "saved Arrow": write_arrow,
}
FOLDERS = ("folders", "zip")
PIXELS = ("CSV", "parquet of pixels")
"""The forms with the columns of fer2013.csv, which say what their numbers mean."""


def classes(*words: object) -> Callable[[list[Row]], list[Row]]:
    """Every emotion under another name (or number)."""
    return lambda some: [replace(r, cls=words[r.label or 0]) for r in some]


def splits(*words: str) -> Callable[[list[Row]], list[Row]]:
    """Every split under another name."""
    return lambda some: [replace(r, split=words[r.code or 0]) for r in some]


def swapped(n: int = 2, **what: object) -> Callable[[list[Row]], list[Row]]:
    """Of the first emotion's training faces, `n` are otherwise."""
    return lambda some: [replace(r, **what) if i < n else r for i, r in enumerate(some)]  # type: ignore[arg-type]


def without(labels: Sequence[int], codes: Sequence[int] = (0, 1, 2)) -> Callable[..., list[Row]]:
    """No faces of some emotions, in some splits."""
    return lambda some: [r for r in some if r.label not in labels or r.code not in codes]


def unsplit(codes: Sequence[int], word: str | None) -> Callable[[list[Row]], list[Row]]:
    """The training faces alone, or with some other splits."""
    return lambda some: [
        replace(r, split=word if word is None else r.split, code=-1 if r.code == 0 else r.code)
        for r in some
        if r.code in codes
    ]


def of_side(side: int) -> Callable[[list[Row]], list[Row]]:
    """Faces of another size, each of one grey, so that every size of it is known."""

    def changed(some: list[Row]) -> list[Row]:
        return [
            replace(r, image=np.full((side, side), i + 1, np.uint8)) for i, r in enumerate(some)
        ]

    return changed


_GONE = {"label": None, "code": None}
_NUMBERS = ("as fer2013.csv numbers them", "numbers taken as fer2013.csv numbers", "")
_RAF = (
    6,
    3,
    2,
    4,
    5,
    1,
    7,
)  # what RAF-DB calls angry, disgust, fear, happy, sad, surprise, neutral

RULES: tuple[Rule, ...] = (
    Rule("emotions by name", lambda some: some),
    Rule(
        "other names for them: Anger, 3_fear, HAPPINESS, ne",
        classes("Anger", "disgusted", "3_fear", "HAPPINESS", "sadness", "surprised", "ne"),
    ),
    Rule(
        "a folder of each person in the emotion's (`happy/S010/*`)",
        person_folders,
        "read, noted",
        r"63 images in folders below their emotion's, read as its own: ",
        only=FOLDERS,
    ),
    Rule(
        "a class that is none of the seven (contempt)",
        swapped(cls="contempt", **_GONE),
        "left out, noted",
        r"2 images of unknown classes left out: contempt \(2\)",
    ),
    Rule(
        "a number beside names",
        swapped(cls="7", **_GONE),
        "left out, noted",
        r"unknown classes left out: 7 \(2\)",
    ),
    Rule(
        "numbers for classes",
        classes(*range(7)),
        "refused: give `--label-order`",
        error="classes are numbers .*datasets number their emotions differently.*label-order",
        otherwise=dict.fromkeys(PIXELS, _NUMBERS),
    ),
    Rule(
        "an eighth number",
        lambda some: swapped(cls=7, **_GONE)(classes(*range(7))(some)),
        "left out, noted",
        r"unknown classes left out: 7 \(2\)",
        only=PIXELS,
    ),
    Rule("numbers and `--label-order raf-db`", classes(*_RAF), order="raf-db"),
    Rule(
        "numbers and `--label-order 13=angry,14=disgust,…`",
        classes(*range(13, 20)),
        order="13=angry,14=disgust,15=fear,16=joy,17=sad,18=surprise,19=neutral",
    ),
    Rule(
        "no class at all",
        swapped(cls=None, **_GONE),
        "left out, noted",
        r"unknown classes left out: \(none\) \(2\)",
    ),
    Rule("FER2013's names of the splits", splits("Training", "PublicTest", "PrivateTest")),
    Rule("splits train, val, test", splits("train", "val", "test")),
    Rule("splits in any case", splits("TRAIN", "Valid", "testing")),
    Rule(
        "a split of another name",
        swapped(split="extra", **_GONE),
        "left out, noted",
        "2 images whose split can't be told left out",
    ),
    Rule(
        "no splits",
        unsplit((0,), None),
        "drawn from training, noted",
        "no validation split in this source: 7 of its training faces",
    ),
    Rule(
        "no validation split",
        unsplit((0, 2), "train"),
        "drawn from training, noted",
        "no validation split in this source: 7 of its training faces",
    ),
    Rule("an emotion missing", without((6,)), "noted", "no faces of neutral in this source"),
    Rule(
        "two emotions alone", without((0, 1, 2, 4, 5)), "noted", "no faces of angry, disgust, fear"
    ),
    Rule(
        "an emotion missing in training",
        without((6,), (0,)),
        "noted",
        "no training faces of neutral",
    ),
    Rule("test faces alone", without(range(7), (0, 1)), "noted", "no train and validation faces"),
    Rule(
        "an image that can't be read",
        swapped(1, image=BROKEN, **_GONE),
        "left out, named",
        "1 unreadable file left out",
    ),
    Rule("faces of another size", of_side(64)),
    Rule(
        "no emotion among the classes",
        classes(*"abcdefg"),
        "refused",
        error="none of the classes is one of angry, .*found a ",
    ),
)


def markdown() -> str:
    """The rules as the table of docs/data.md: "–" where a form can't have such a thing."""
    heads = ("what a source has", *FORMS)
    lines = ["| " + " | ".join(heads) + " |", "|" + " --- |" * len(heads)]
    for rule in RULES:
        cells = ["–" if rule.only and f not in rule.only else rule.of(f).becomes for f in FORMS]
        lines.append("| " + " | ".join((rule.title, *cells)) + " |")
    return "\n".join(lines)
