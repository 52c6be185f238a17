"""`DatasetConfig`: where the faces come from, and what is done to them before anything else."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ferturb.base.config.fields import in_range, require_types, seed_in_range, unknown
from ferturb.base.errors import FerturbError
from ferturb.base.raster import Raster

MASK_KINDS = ("surgical", "cloth", "n95", "mixed", "glasses", "hand", "random")
"""What faces can wear."""
FEATURE_NAMES = (
    *("left_eye", "right_eye", "eyes", "brows", "nose", "mouth", "jaw", "cheeks", "forehead"),
    *("upper_face", "lower_face", "left_half", "right_half", "face"),
)
"""The facial features that can be left out."""
FILL_NAMES = ("black", "mean", "blur", "noise", "inpaint")
"""What can stand in their place."""


@dataclass(frozen=True)
class DatasetConfig:
    """Where the faces come from."""

    source: str = "synthetic"
    """A path (zip, folder, CSV, parquet), or `synthetic` for the built-in faces."""
    clean: bool = False
    """Leave out test and validation faces that have an exact copy in training."""
    fer_plus: str | None = None
    """Path of fer2013new.csv: use the FER+ labels in place of FER2013's."""
    votes: str | None = None
    """Path of fer2013new.csv: beside their labels the faces carry the votes of ten people."""
    synthetic_faces: int = 6000
    """How many faces to draw when the source is `synthetic` (80/10/10 into the splits)."""
    face_masks: str | None = None
    """The faces wear face masks (MaskFer): `surgical`, `cloth`, `n95`, `mixed` of these, or the
    other occluders `glasses`, `hand`, `random`."""
    left_out: str | None = None
    """A facial feature that is left out of every face, e.g. `mouth`."""
    left_out_fill: str = "mean"
    """What stands in its place: `black`, `mean`, `blur`, `noise` or `inpaint`."""
    left_out_control: bool = False
    """Leave out, in place of the facial feature, a random region of as many pixels."""
    alteration_seed: int = 0
    """Of what is drawn at random: face masks, noise, random regions."""
    training_faces: int | None = None
    """Train on this many of the training faces, drawn at random; None on all of them."""
    subset_seed: int = 0
    """Of that draw."""
    label_order: str | None = None
    """What numbered labels mean: `fer2013`, `alphabet`, `raf-db`, `affectnet`, `ck+`, `fer+`, the
    emotions in order from 0 (`neutral,happy,…`), or pairs (`1=sad,2=fear,…`)."""
    side: int = 48
    """Pixels a side that faces are read at, 48 … 224 (`ferturb data info`: what a source has)."""
    channels: int = 1
    """1: faces are read in grey; 3: in colour (RGB)."""

    def __post_init__(self) -> None:
        for path in ("source", "fer_plus", "votes"):
            if isinstance(getattr(self, path), Path):
                object.__setattr__(self, path, str(getattr(self, path)))
        require_types(self)
        self.raster.checked()
        seed_in_range(self.alteration_seed, "alteration_seed")
        seed_in_range(self.subset_seed, "subset_seed")
        in_range("synthetic_faces", self.synthetic_faces, 1, None)
        if self.training_faces is not None:
            in_range("training_faces", self.training_faces, 7, None)
        for kind, name, known in (
            ("kind of face mask", self.face_masks, MASK_KINDS),
            ("facial feature", self.left_out, FEATURE_NAMES),
            ("fill", self.left_out_fill, FILL_NAMES),
        ):
            if name is not None and name not in known:
                raise FerturbError(unknown(kind, name, known))
        if self.left_out_control and self.left_out is None:
            raise FerturbError(
                "left_out_control puts a random region in the place of a facial feature; "
                "give the feature as left_out"
            )

    @property
    def raster(self) -> Raster:
        """The grid that faces are read on."""
        return Raster(self.side, self.channels)

    @property
    def altered(self) -> bool:
        """Whether the faces are changed: by face masks, or by something left out of them."""
        return self.face_masks is not None or self.left_out is not None
