"""What several verbs share: options, and reading faces with a progress bar."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import arg

from ferturb.base.config import DatasetConfig

if TYPE_CHECKING:
    from ferturb.data.faces import Faces

Source = Annotated[str, arg(metavar="SOURCE")]

Device = Annotated[str, arg(help="`cpu`, `cuda`, `cuda:1`, …")]

Json = Annotated[bool, arg(help="Print JSON for a script in place of tables.")]


def absolute(source: str) -> str:
    """A path as a run's config keeps it: absolute, so that it holds from any folder."""
    return source if source == "synthetic" else str(Path(source).expanduser().resolve())


def read_faces(config: DatasetConfig, quiet: bool = False) -> Faces:
    """The faces of a dataset config, with a progress bar while they are read (and altered)."""
    from ferturb.cli import terminal
    from ferturb.features.altered import load_dataset

    with terminal.working("reading faces", quiet) as progress:
        return load_dataset(config, progress=progress)
