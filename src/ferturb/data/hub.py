"""Download a dataset from Kaggle or the Hugging Face hub, through their own clients.

Neither client is needed for anything else: they are optional extras of the package.
"""

from __future__ import annotations

import importlib
import shutil
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from types import ModuleType

from ferturb.base.config import choose
from ferturb.base.errors import FerturbError, first_line
from ferturb.base.storage import atomic_folder


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
OFFERS: dict[str, dict[str, Offer]] = {"fer2013": {offer.source: offer for offer in _SOURCES}}
"""What `fetch` can download: name → source → offer."""


def fetch(name: str = "fer2013", source: str = "kaggle", out: Path = Path("data/fer2013")) -> Path:
    """Download a dataset into the folder `out`, which must not exist or be empty, and return it.

    `out` appears whole or not at all. An unknown name or source, a client that is not installed
    and a download that fails raise `FerturbError`.
    """
    wanted = offer(name, source)
    client = _import(*_CLIENTS[source])
    with atomic_folder(out) as folder:
        try:
            if source == "kaggle":
                files = client.dataset_download(wanted.handle)
                shutil.copytree(files, folder, dirs_exist_ok=True)
            else:
                client.snapshot_download(wanted.handle, repo_type="dataset", local_dir=str(folder))
        except Exception as error:  # whatever the client raises: no network, no permission, …
            raise FerturbError(
                f"can't download {wanted.handle} from {source} ({first_line(error)[:200]}); "
                f"see {wanted.address}, or download it by hand and give its path"
            ) from error
    return out


def offer(name: str, source: str) -> Offer:
    """What is known about a download before it starts: address, size, licence, origin."""
    return choose("source", source, choose("dataset", name, OFFERS))


_CLIENTS = {"kaggle": ("kagglehub", "kaggle"), "huggingface": ("huggingface_hub", "hub")}
"""Source -> the module that downloads from it, and the extra of ferturb that brings it."""


def _import(module: str, extra: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise FerturbError(
            f"this download needs {module}, which is not installed; "
            f"run: pip install 'ferturb[{extra}]'"
        ) from error
