"""The verbs that change faces: `ferturb leave-out` and `ferturb mask`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tyro.conf import Positional

from ferturb.base.config import DatasetConfig
from ferturb.base.config.fields import seed_in_range
from ferturb.cli.options import Channels, Classes, Side, Source, read_faces


def leave_out(
    source: Positional[Source],
    /,
    *,
    feature: str,
    out: Path,
    fill: str = "mean",
    seed: int = 0,
    label_order: Classes = None,
    side: Side = 48,
    channels: Channels = 1,
) -> None:
    """Write a dataset with one facial feature left out of every face.

    The folder has FER2013's layout and can be given as a SOURCE again; left_out.json beside it
    keeps feature, fill, seed and, by face, the landmarks' confidence and source.

    Example: ferturb leave-out fer2013.zip --feature mouth --fill mean --out no-mouth

    Args:
        source: A path, or `synthetic`.
        feature: `left_eye`, `right_eye`, `eyes`, `brows`, `nose`, `mouth`, `jaw`, `cheeks`,
            `forehead`, `upper_face`, `lower_face`, `left_half` or `right_half`; left and right
            are the image's.
        out: A new folder.
        fill: What stands in its place: `black`, `mean`, `blur`, `noise` or `inpaint`.
        seed: Of the noise.
    """
    from ferturb.base.storage import atomic_folder, require_new, write_json
    from ferturb.cli import terminal
    from ferturb.data.readers.fer2013 import archive_names, write_folder
    from ferturb.features.removal import leave_out as left_out

    seed_in_range(seed)
    require_new(out)
    how: dict[str, Any] = {"label_order": label_order, "side": side, "channels": channels}
    read = read_faces(DatasetConfig(source, **how), noted=False)
    faces = left_out(read, feature, fill, seed=seed)
    record = {**faces.info["left_out"], "names": archive_names(faces)}
    with atomic_folder(out) as folder:
        write_folder(faces, folder)
        write_json(folder / "left_out.json", record)
    terminal.facts({"faces": len(faces), "folder": str(out)})
    terminal.notes(faces.notes)


def mask(
    source: Positional[Source],
    /,
    *,
    out: Path,
    kind: str = "mixed",
    seed: int = 0,
    label_order: Classes = None,
    side: Side = 48,
    channels: Channels = 1,
) -> None:
    """Write MaskFer: a dataset whose faces wear face masks, and a record of what each wears.

    The folder has FER2013's layout, with records.csv (kind, seed, landmark confidence per face)
    beside it, and can be given as a SOURCE again. The same seed draws the same masks.

    Example: ferturb mask fer2013.zip --kind mixed --out maskfer

    Args:
        source: A path, or `synthetic`.
        out: A new folder.
        kind: `surgical`, `cloth`, `n95`, `mixed` (of these three), `glasses`, `hand` or `random`.
        seed: What a face wears follows from the seed and its name.
    """
    from ferturb.base.storage import require_new
    from ferturb.cli import terminal
    from ferturb.features.masks.mask_fer import mask_faces, write_mask_fer

    seed_in_range(seed)
    require_new(out)
    how: dict[str, Any] = {"label_order": label_order, "side": side, "channels": channels}
    read = read_faces(DatasetConfig(source, **how), noted=False)
    faces, records = mask_faces(read, kind, seed)
    write_mask_fer(faces, records, out)
    terminal.facts({"faces": len(faces), "folder": str(out)})
    terminal.notes(faces.notes)
