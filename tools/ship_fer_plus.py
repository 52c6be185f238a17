"""Ship which image of FER+ each file of the Kaggle archive is: `ship_fer_plus.py images.csv`.

images.csv (file,image) was found by comparing the pixels of every file with those of FER2013's
original images, split by split. It becomes src/ferturb/data/fer_plus_images.npz: of each split's
files, by number, their number, their emotion and the number of their image.
"""

from __future__ import annotations

import argparse
import csv
import io
import re
from pathlib import Path

import numpy as np

from ferturb.base.emotions import emotion_label
from ferturb.base.storage import write_bytes
from ferturb.data.fer_plus import IMAGES, NO_IMAGE
from ferturb.data.readers.fer2013 import USAGES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("images", type=Path, help="images.csv")
    rows = []
    with parser.parse_args().images.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            found = re.fullmatch(r"\w+/(\w+)/(\w+)_(\d+)\.jpg", row["file"])
            assert found is not None, row
            image = int(row["image"][3:10]) if row["image"] else NO_IMAGE
            rows.append((USAGES.index(found[2]), int(found[3]), emotion_label(found[1]), image))
    splits, numbers, labels, images = np.array(sorted(rows)).T
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        sizes=np.bincount(splits),
        numbers=numbers.astype(np.uint32),
        labels=labels.astype(np.uint8),
        images=images.astype(np.uint16),
    )
    write_bytes(IMAGES, buffer.getvalue())
    print(f"{IMAGES}: {len(rows):,} files, {(images != NO_IMAGE).sum():,} with an image")


if __name__ == "__main__":
    main()
