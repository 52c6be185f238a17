"""Draw the sample by which FER2013 is recognised: src/ferturb/data/readers/fer2013_sample.py.

    python tools/sample_fer2013.py fer2013.zip

Twelve faces of each split and emotion, drawn with seed 0 among those whose fingerprint differs by
20 bits and more from that of every other face. Only fingerprints are written, from which no face
can be made again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from ferturb.base.config import DatasetConfig
from ferturb.base.storage import write_text
from ferturb.data.readers.fer2013_content import fingerprints
from ferturb.data.sources import load_faces

EACH, APART, SEED = 12, 20, 0
OUT = Path(__file__).resolve().parents[1] / "src/ferturb/data/readers/fer2013_sample.py"
HEAD = '''"""Fingerprints of some of FER2013's faces; made by tools/sample_fer2013.py.

In the order of splits, then of emotions, twelve faces each; from none can a face be made again.
"""

SAMPLE = """
'''


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="fer2013.zip")
    faces = load_faces(DatasetConfig(parser.parse_args().data))
    bits = fingerprints(faces.images.numpy())
    signs = bits.astype(np.float32) * 2 - 1
    generator, lines = np.random.default_rng(SEED), []
    for split in range(3):
        for label in range(7):
            own = (faces.splits == split) & (faces.labels == label)
            chosen: list[str] = []
            for i in generator.permutation(np.nonzero(own.numpy())[0]):
                apart = (bits.shape[1] - signs @ signs[i]) / 2
                apart[i] = APART
                if apart.min() >= APART:
                    chosen.append(np.packbits(bits[i]).tobytes().hex())
                if len(chosen) == EACH:
                    break
            lines += [" ".join(chosen[i : i + 3]) for i in range(0, EACH, 3)]
    write_text(OUT, HEAD + "\n".join(lines) + '\n"""\n')


if __name__ == "__main__":
    main()
