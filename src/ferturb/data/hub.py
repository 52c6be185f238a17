"""Download a dataset from Kaggle or the Hugging Face hub, through their own clients, or FER+'s
votes, one file, from GitHub.

Neither client is needed for anything else: they are optional extras of the package.
"""

from __future__ import annotations

import importlib
import shutil
import urllib.request
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from types import ModuleType

from ferturb.base.config import choose
from ferturb.base.errors import FerturbError, first_line
from ferturb.base.installation import install
from ferturb.base.storage import atomic_folder
from ferturb.data.fer_plus import read_votes


@dataclass(frozen=True)
class Offer:
    """A dataset one can download, with what one should know before."""

    name: str
    source: str
    handle: str
    """The dataset's name at its source."""
    address: str
    size: str
    contents: str
    licence: str
    origin: str

    def to_dict(self) -> dict[str, str]:
        """The same as JSON can hold it."""
        return asdict(self)


_ORIGIN = (
    "Goodfellow et al., 'Challenges in Representation Learning', 2013 (arXiv 1307.0414): faces "
    "found by web image search, labelled by keyword and checked by people; the rights to the "
    "photos are their owners'"
)

_FER2013 = partial(Offer, name="fer2013", size="about 60 MB", origin=_ORIGIN)
_SOURCES = (
    _FER2013(
        source="kaggle",
        handle="msambare/fer2013",
        address="https://www.kaggle.com/datasets/msambare/fer2013",
        contents="35,887 JPEG images in folders, official splits in the file names",
        licence="as the page states it (Database Contents License when last looked at); "
        "downloading accepts Kaggle's terms",
    ),
    _FER2013(
        source="huggingface",
        handle="AutumnQiu/fer2013",
        address="https://huggingface.co/datasets/AutumnQiu/fer2013",
        contents="35,887 images in parquet files train, valid and test",
        licence="as the dataset card states it; a copy, so the original's terms hold too",
    ),
)
_VOTES = Offer(
    name="fer-plus",
    source="github",
    handle="microsoft/FERPlus",
    address="https://raw.githubusercontent.com/microsoft/FERPlus/master/fer2013new.csv",
    size="1.6 MB",
    contents="fer2013new.csv: the votes of ten people for each face of FER2013, without its images",
    licence="MIT",
    origin="Barsoum et al., 'Training Deep Networks for Facial Expression Recognition with "
    "Crowd-Sourced Label Distribution', ICMI 2016 (arXiv 1608.01041)",
)
OFFERS: dict[str, dict[str, Offer]] = {
    "fer2013": {offer.source: offer for offer in _SOURCES},
    "fer-plus": {_VOTES.source: _VOTES},
}
"""What `fetch` can download: name → source → offer."""


def fetch(
    name: str = "fer2013", source: str | None = None, out: Path = Path("data/fer2013")
) -> Path:
    """Download a dataset into the folder `out`, which must not exist or be empty, and return it.

    `source` None is the dataset's first one. `out` appears whole or not at all. An unknown name or
    source, a client that is not installed and a download that fails raise `FerturbError`.
    """
    wanted = offer(name, source)
    client = _import(*_CLIENTS[wanted.source]) if wanted.source in _CLIENTS else None
    with atomic_folder(out) as folder:
        try:
            if client is None:
                _download(wanted.address, folder)
            elif wanted.source == "kaggle":
                files = client.dataset_download(wanted.handle)
                shutil.copytree(files, folder, dirs_exist_ok=True)
            else:
                client.snapshot_download(wanted.handle, repo_type="dataset", local_dir=str(folder))
        except FerturbError:
            raise
        except Exception as error:  # whatever the client raises: no network, no permission, …
            raise FerturbError(
                f"can't download {wanted.handle} from {wanted.source} ({first_line(error)[:200]}); "
                f"see {wanted.address}, or download it by hand and give its path"
            ) from error
    return out


def offer(name: str, source: str | None = None) -> Offer:
    """What is known about a download before it starts: address, size, licence, origin.

    `source` None is the dataset's first one.
    """
    sources = choose("dataset", name, OFFERS)
    return choose("source", source or next(iter(sources)), sources)


def _download(address: str, folder: Path) -> None:
    """One file of votes, which is read before it counts as downloaded."""
    path = folder / address.rpartition("/")[2]
    with urllib.request.urlopen(address, timeout=60) as answer, path.open("wb") as file:
        shutil.copyfileobj(answer, file)
    read_votes(path)


_CLIENTS = {"kaggle": ("kagglehub", "kaggle"), "huggingface": ("huggingface_hub", "hub")}
"""Source -> the module that downloads from it, and the extra of ferturb that brings it."""


def _import(module: str, extra: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise FerturbError(
            f"this download needs {module}, which is not installed; run: {install(extra)}"
        ) from error
