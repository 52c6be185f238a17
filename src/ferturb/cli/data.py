"""The verbs of `ferturb data`: look at face datasets, fetch them, draw them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from tyro.conf import Positional, arg

from ferturb.base.config import DatasetConfig
from ferturb.base.config.fields import in_range, seed_in_range
from ferturb.base.raster import Raster
from ferturb.cli.options import Channels, Classes, Json, Side, Source, read_faces


def info(
    source: Positional[Source],
    /,
    *,
    json: Json = False,
    clean: bool = False,
    label_order: Classes = None,
    side: Side = 48,
    channels: Channels = 1,
) -> None:
    """Count the faces of a source, by split and emotion.

    SOURCE is a zip, folder, CSV or parquet file of face images, or `synthetic`; which form it is
    shows from its content. Labels that are numbers, and mean nothing without --label-order, are
    counted by number.

    Example: ferturb data info fer2013.zip --json

    Args:
        source: A path, or `synthetic`.
        clean: Leave out validation and test faces that have an exact copy in training.
    """
    from ferturb.cli import terminal
    from ferturb.data.readers.rows import OrderError
    from ferturb.data.sources import full_raster

    how: dict[str, Any] = {"label_order": label_order, "side": side, "channels": channels}
    config = DatasetConfig(source, clean=clean, **how)
    try:
        faces = read_faces(config, quiet=json, noted=False)
    except OrderError as error:
        if not error.counts:
            raise
        found = {"source": source, "counts": error.counts, "notes": [str(error)]}
        if json:
            terminal.print_json(found)
        else:
            _show_counts(source, error.counts, [str(error)])
        return
    counts, full = faces.counts(), full_raster(source)
    if json:
        mean, std = faces.grey()
        terminal.print_json(
            {
                "source": faces.source,
                "kind": faces.kind,
                "faces": len(faces),
                "size": list(faces.size),
                "channels": faces.raster.channels,
                "pictures": full._asdict(),
                "counts": counts,
                "mean": mean,
                "std": std,
                "hash": faces.content_hash(),
                "notes": list(faces.notes),
            }
        )
        return
    _show_counts(faces.source, counts, [*faces.notes, *_more_in(full, faces.raster)])


def _more_in(full: Raster, read: Raster) -> list[str]:
    """What to say of pictures that hold more than was read of them."""
    if full.side <= read.side and full.channels <= read.channels:
        return []
    options = f"--side {full.side} --channels {full.channels}"
    return [f"its pictures are {full}, read at {read}; {options} reads them in full"]


def _show_counts(title: str, counts: Mapping[str, Mapping[str, int]], notes: Sequence[str]) -> None:
    """Faces by emotion (or number) and split, with sums, and the notes."""
    from ferturb.cli import terminal

    rows: list[list[object]] = []
    for emotion in next(iter(counts.values())):
        own = [counts[split][emotion] for split in counts]
        rows.append([emotion, *own, sum(own)])
    sums = [sum(counts[split].values()) for split in counts]
    terminal.table(title, ["emotion", *counts, "all"], [*rows, ["all", *sums, sum(sums)]])
    terminal.notes(notes)


def audit(
    source: Positional[Source],
    /,
    *,
    json: Json = False,
    write_clean: Path | None = None,
    label_order: Classes = None,
) -> None:
    """Find duplicates, leaks between splits, conflicting labels, blank and unreadable images.

    Example: ferturb data audit fer2013.zip --write-clean fer2013-clean

    Args:
        source: A path, or `synthetic`.
        write_clean: Also write the clean variant (no validation or test face has an exact copy in
            training) into this new folder, in FER2013's layout.
    """
    from ferturb.base.storage import require_new
    from ferturb.cli import terminal
    from ferturb.data.audit import audit, clean_variant
    from ferturb.data.readers.fer2013 import write_folder

    if write_clean is not None:
        require_new(write_clean)
    faces = read_faces(DatasetConfig(source, label_order=label_order), json, noted=False)
    report = audit(faces)
    if json:
        terminal.print_json(report.to_dict())
    else:
        terminal.facts({k.replace("_", " "): v for k, v in report.summary().items()})
        terminal.notes([*report.notes, *(f"unreadable: {u['name']}" for u in report.unreadable)])
    if write_clean is not None:
        write_folder(clean_variant(faces), write_clean)


def fetch(
    name: Positional[Annotated[str, arg(metavar="[NAME]")]] = "fer2013",
    /,
    *,
    source: Literal["kaggle", "huggingface", "github"] | None = None,
    out: Path | None = None,
    json: Json = False,
) -> None:
    """Download a dataset through its source's own client, after showing licence and origin.

    Kaggle needs the extra `kaggle`, Hugging Face the extra `hub`.

    Example: ferturb data fetch fer2013 --source kaggle --out data/fer2013

    Args:
        name: `fer2013`, or `fer-plus` (the votes of ten people for its faces, from GitHub).
        source: Where to get it (default: `kaggle` for fer2013).
        out: A new folder (default: data/NAME).
    """
    from ferturb.base.storage import require_new
    from ferturb.cli import terminal
    from ferturb.data.hub import fetch, offer

    about, folder = offer(name, source).to_dict(), out or Path("data") / name
    require_new(folder)
    if not json:
        terminal.facts(about)
    folder = fetch(name, source, folder)
    if json:
        terminal.print_json({"offer": about, "folder": str(folder)})
    else:
        terminal.facts({"folder": str(folder)})


def synthesize(
    out: Positional[Path], /, *, faces: int = 6000, seed: int = 0, csv: bool = False
) -> None:
    """Draw faces from action units and write them in FER2013's layout.

    Example: ferturb data synthesize faces --faces 10000

    Args:
        out: A new folder (or, with --csv, the CSV file) to write.
        faces: How many.
        seed: The same seed draws the same faces.
        csv: Write one file in the form of fer2013.csv in place of a folder of images.
    """
    from ferturb.base.storage import require_file, require_new
    from ferturb.data.drawn.synthetic import synthetic_faces
    from ferturb.data.readers.csv_tables import write_csv
    from ferturb.data.readers.fer2013 import write_folder

    in_range("faces", faces, 1, None)
    seed_in_range(seed)
    (require_file if csv else require_new)(out)
    drawn = synthetic_faces(faces, seed)
    (write_csv if csv else write_folder)(drawn, out)


VERBS: dict[str, Callable[..., None]] = {
    "info": info,
    "audit": audit,
    "fetch": fetch,
    "synthesize": synthesize,
}
"""What can be done with datasets."""
