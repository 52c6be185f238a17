"""Any tree of face images: ``<split>/<emotion>/*``, ``<emotion>/<split>/*`` or ``<emotion>/*``.

The folder an image lies in is its class; the nearest folder above whose name is a split's gives
the split; any folders above these do not matter. An emotion's folder may hold one of each person
(``<emotion>/S010/*``), which is no class then. Files are images by suffix, and in a folder named
after an emotion by content too; what lies there and is none is named in the notes.

JAFFE's own files (``KA.HA1.29.tiff``) say their emotion where their folder says none.

FER2013's image archive keeps its splits in its file names (``test/<emotion>/PublicTest_123.jpg``).
Such a name tells validation from test where no folder is called validation, and the split where
no folder does. Each image goes by itself; where its folder and its name contradict each other the
folder decides, and the notes say so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Int64

from ferturb.base.emotions import EMOTIONS, emotion_label
from ferturb.base.errors import FerturbError
from ferturb.base.image_formats import START, SUFFIXES, format_of, is_image
from ferturb.base.raster import PLAIN, Raster
from ferturb.data.faces import SPLITS, Faces
from ferturb.data.readers.fer2013 import USAGES, altered
from ferturb.data.readers.images import MAX_IMAGE_BYTES, Progress, decode_faces
from ferturb.data.readers.rows import Pixels, Rows, Source, faces_of
from ferturb.data.readers.source_tree import SourceTree, named
from ferturb.data.vocabulary import class_of, split_code

FORM = "folders of images"
EXPECTED = "expected <split>/<emotion>/* or <emotion>/*"

_OFFICIAL = re.compile(rf"({'|'.join(USAGES)})_\d+\.\w+")
_JAFFE = re.compile(r"[a-z]{2}\.(an|di|fe|ha|ne|sa|su)\d\.\d+\.\w+", re.IGNORECASE)
_OF_JAFFE = dict(zip(("AN", "DI", "FE", "HA", "SA", "SU", "NE"), EMOTIONS, strict=True))
_OF_USAGE = {usage: code for code, usage in enumerate(USAGES)}


def matches(tree: SourceTree) -> bool:
    """True when the tree holds image files."""
    if tree.with_suffix(*SUFFIXES):
        return True
    return any(is_image(tree.start(name, START)) for name in _doubtful(tree))


def read(
    tree: SourceTree,
    progress: Progress | None = None,
    order: Mapping[int, str] | None = None,
    raster: Raster = PLAIN,
) -> Faces:
    """A tree of face images as `Faces`, by the rules of `ferturb.data.readers.rows`."""
    notes = [named("{n} empty class folder(s)", _empty_classes(tree))]
    found = _images(tree, notes)
    places = [_place(name) for name in found]
    if not any(cls is not None for cls, _ in places):
        raise FerturbError(
            f"{tree.path}: {EXPECTED} with emotions {', '.join(EMOTIONS)}; "
            "found images in no class folder"
        )
    below = [name for name in found if _below_emotion(name) is not None]
    notes.append(named("{n} image(s) in folders below their emotion's, read as its own", below))
    splits = _split_words(found, [split for _, split in places], notes)
    rows = Rows(found, [cls for cls, _ in places], splits, _decoder(tree, found, progress, raster))
    archive = any(_official(name) is not None for name in found)
    form, said = "image archive" if archive else FORM, [note for note in notes if note]
    source = Source(str(tree.path), form, order, False, said, {"form": "images"})
    return altered(faces_of(rows, source), tree)


def _images(tree: SourceTree, notes: list[str]) -> tuple[str, ...]:
    """The members that are images, sorted; the others in class folders are named in the notes."""
    found, others = set(tree.with_suffix(*SUFFIXES)), []
    for name in _doubtful(tree):
        start = tree.start(name, START)
        if is_image(start):
            found.add(name)
        else:
            known = format_of(start)
            others.append(f"{name} ({known})" if known else name)
    notes.append(named("{n} file(s) in class folders that are no images left out", others))
    return tuple(sorted(found))


def _doubtful(tree: SourceTree) -> list[str]:
    """Members without an image's suffix that lie in a folder named after an emotion."""
    others = (name for name in tree.members if not name.lower().endswith(SUFFIXES))
    return [name for name in others if emotion_label(str(_place(name)[0])) is not None]


def _place(name: str) -> tuple[str | int | None, int | None]:
    """The class and the split that an image's folders give."""
    cls, split = _below_emotion(name) or _class_and_split(name.split("/")[:-1])
    named = _JAFFE.fullmatch(name.rpartition("/")[2])
    if named is not None and emotion_label(str(cls)) is None:
        return _OF_JAFFE[named[1].upper()], split
    return cls, split


def _below_emotion(name: str) -> tuple[str | int | None, int | None] | None:
    """Class and split of an image whose folder, no class or split, lies in an emotion's."""
    *above, own = name.split("/")[:-1] or [""]
    if not above or split_code(own) is not None or emotion_label(own) is not None:
        return None
    found = _class_and_split(above)
    return found if emotion_label(str(found[0])) is not None else None


def _class_and_split(folders: Sequence[str]) -> tuple[str | int | None, int | None]:
    own = split_code(folders[-1]) if folders else None
    if own is not None:
        above = class_of(folders[-2]) if len(folders) > 1 else None
        named = isinstance(above, int) or emotion_label(str(above)) is not None
        return (above if named else None), own  # <emotion>/<split>/*
    codes = (split_code(folder) for folder in reversed(folders[:-1]))
    split = next((code for code in codes if code is not None), None)
    return (class_of(folders[-1]) if folders else None), split


def _split_words(
    names: Sequence[str], folders: Sequence[int | None], notes: list[str]
) -> list[str | None]:
    """The split of each image, by its folders and by FER2013's file names."""
    apart = SPLITS.index("validation") in folders  # validation and test have folders of their own
    found: list[str | None] = []
    against: list[str] = []
    for name, folder in zip(names, folders, strict=True):
        own = _official(name)
        if own is None or folder is None:
            code = folder if own is None else own
        elif (folder, own) == (2, 1) and not apart:
            code = own
        else:
            code = folder
            if own != folder:
                against.append(name)
        found.append(None if code is None else SPLITS[code])
    notes.append(
        named("{n} image(s) named as of another split than their folder's, which counts", against)
    )
    return found


def _official(name: str) -> int | None:
    """The split that a file's name says if it is one of FER2013's."""
    found = _OFFICIAL.fullmatch(name.rpartition("/")[2])
    return None if found is None else _OF_USAGE[found[1]]


def _decoder(
    tree: SourceTree, names: Sequence[str], progress: Progress | None, raster: Raster
) -> Callable[[Int64[np.ndarray, " m"]], Pixels]:
    def decoded(chosen: Int64[np.ndarray, " m"]) -> Pixels:
        sizes = {names[i]: tree.members[names[i]] for i in chosen.tolist()}
        own = lambda name: tree.read(name, MAX_IMAGE_BYTES)  # noqa: E731
        return decode_faces(own, sizes, progress, raster=raster)

    return decoded


def _empty_classes(tree: SourceTree) -> list[str]:
    """Folders named after an emotion that nothing lies in or below."""
    full: set[str] = set()
    for name in tree.members:
        parts = name.split("/")[:-1]
        full.update("/".join(parts[: i + 1]) for i in range(len(parts)))
    empty = sorted(tree.folders - full)
    return [name for name in empty if emotion_label(name.rpartition("/")[2]) is not None]
