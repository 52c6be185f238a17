from __future__ import annotations

import numpy as np
import pytest

from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.data.faces import SPLITS
from ferturb.data.sources import load_source

NAMES = ("Anger", "disgusted", "3_fear", "HAPPINESS", "sadness", "surprised", "ne")


@pytest.fixture
def files(as_png):
    """Ten images a class, named with aliases."""
    generator = np.random.default_rng(3)
    return {
        f"{name}/s{i}.png": as_png(generator.integers(0, 256, (48, 48), dtype=np.uint8))
        for name in NAMES
        for i in range(10)
    }


def test_emotion_folders_alone_get_seeded_splits(files, write_tree, write_zip):
    faces = load_source(write_tree(files))
    assert faces.counts() == {
        "train": dict.fromkeys(EMOTIONS, 8),
        "validation": dict.fromkeys(EMOTIONS, 1),
        "test": dict.fromkeys(EMOTIONS, 1),
    }
    assert len(faces.notes) == 2
    assert all("seed 0" in note for note in faces.notes)
    assert load_source(write_zip(files)).content_hash() == faces.content_hash()


def test_labels_follow_the_folder(files, write_tree):
    faces = load_source(write_tree(files))
    for name, label in zip(faces.names, faces.labels.tolist(), strict=True):
        assert NAMES.index(name.split("/")[0]) == label


def test_split_folders_of_any_case_below_other_folders(files, write_tree):
    tree = {}
    for name, data in files.items():
        split = {"s0": "Val", "s1": "TEST"}.get(name.split("/")[1][:-4], "Training")
        tree[f"archive/test set of mine/{split}/{name}"] = data
    faces = load_source(write_tree(tree))
    assert [len(faces.split(s)) for s in ("train", "validation", "test")] == [56, 7, 7]
    assert faces.notes == ()
    assert all(name.endswith("s0.png") for name in faces.split("validation").names)


def test_unknown_classes_are_reported_and_left_out(files, write_tree):
    some = list(files.values())
    extra = {f"contempt/{i}.png": some[i] for i in range(4)} | {"sheet.png": some[5]}
    faces = load_source(write_tree({**files, **extra}))
    assert len(faces) == 70
    assert faces.info["unknown_classes"] == {"": 1, "contempt": 4}
    assert "contempt (4)" in faces.notes[0]


def test_an_emotion_that_is_absent_is_noted(files, write_tree):
    kept = {k: v for k, v in files.items() if not k.startswith("disgusted")}
    assert "no faces of disgust in this source" in load_source(write_tree(kept)).notes


def test_numbered_classes_are_refused(files, write_tree):
    numbered = {f"train/{NAMES.index(k.split('/')[0]) + 1}/{k[-6:]}": v for k, v in files.items()}
    with pytest.raises(FerturbError, match=r"classes are numbers \(1, 2, 3.*--label-order"):
        load_source(write_tree(numbered))


def test_other_folders_are_refused(files, write_tree):
    with pytest.raises(FerturbError, match=r"found cats \(1\), dogs \(1\)"):
        load_source(write_tree({"cats/a.png": b"x", "dogs/b.png": b"x"}, "pets"))
    with pytest.raises(FerturbError, match="images in no class folder"):
        load_source(write_tree({"a.png": b"x"}, "flat"))


def test_split_folders_for_some_only_are_refused(files, write_tree):
    mixed = {("train/" if i % 2 else "") + k: v for i, (k, v) in enumerate(files.items())}
    with pytest.raises(FerturbError, match="split of 35 of 70 faces can't be told"):
        load_source(write_tree(mixed))


def test_empty_class_and_empty_directory(files, write_tree, tmp_path):
    folder = write_tree(files)
    (folder / "joy").mkdir()
    assert "1 empty class folder: joy" in load_source(folder).notes
    (tmp_path / "empty").mkdir()
    with pytest.raises(FerturbError, match=r"no images or tables of faces.*it is empty"):
        load_source(tmp_path / "empty")
    (tmp_path / "empty" / "notes.md").write_text("x")
    with pytest.raises(FerturbError, match=r"found notes\.md"):
        load_source(tmp_path / "empty")


def test_hidden_files_and_resource_forks_are_no_images(files, write_zip):
    extra = {"__MACOSX/Anger/._s0.png": b"x", "Anger/.DS_Store": b"x", "Anger/._s1.png": b"x"}
    faces = load_source(write_zip({**files, **extra}))
    assert len(faces) == 70
    assert faces.info["unreadable"] == []


def test_files_are_images_by_content_and_the_others_are_named(files, write_tree, no_heif):
    image = next(iter(files.values()))
    strange = {
        "joy/no suffix": image,
        "joy/wrong.txt": image,
        "joy/photo.HEIC": b"\0\0\0\x18ftypheic" + bytes(20),
        "joy/really.jpg": b"\0\0\0\x18ftypheic" + bytes(20),
        "joy/clip.mp4": b"\0\0\0\x18ftypisom" + bytes(20),
        "joy/notes.md": b"# notes",
        "README.md": b"# of no class",
        "joy/Thumbs.db": b"x",
    }
    faces = load_source(write_tree({**files, **strange}))
    assert set(faces.names) == {*files, "joy/no suffix", "joy/wrong.txt"}
    said = " | ".join(faces.notes)
    assert "2 files in class folders that are no images left out: joy/clip.mp4 (video)" in said
    assert "joy/notes.md" in said
    assert "2 unreadable files left out: joy/photo.HEIC (HEIC is not read without" in said
    assert "joy/really.jpg (HEIC" in said
    assert "README" not in said
    assert "Thumbs" not in said


@pytest.fixture
def no_heif(monkeypatch):
    monkeypatch.setattr("ferturb.base.image_formats._heif", lambda: False)


def test_files_without_any_suffix_are_read(files, write_tree, write_zip):
    bare = {name.removesuffix(".png"): data for name, data in files.items()}
    for source in (write_tree(bare), write_zip(bare)):
        assert len(load_source(source)) == 70


def test_split_folders_below_the_emotions(files, write_tree):
    words = ("train", "val", "test")
    tree = {
        f"{name.split('/')[0]}/{words[i % 3]}/{i}.png": data
        for i, (name, data) in enumerate(sorted(files.items()))
    }
    faces = load_source(write_tree(tree))
    assert [len(faces.split(s)) for s in ("train", "validation", "test")] == [24, 23, 23]
    assert faces.notes == ()


def test_tables_beside_images_are_said(files, write_tree):
    table = b"emotion,pixels\n" + b"".join(
        f"{i % 7},{' '.join(['7'] * 2303 + [str(i)])}\n".encode() for i in range(40)
    )
    faces = load_source(write_tree({**files, "fer2013.csv": table}))
    assert len(faces) == 40
    assert "folders of images in this source not read: CSV is" in faces.notes


@pytest.mark.parametrize(
    ("folder", "cls", "split"),
    [
        ("happy/S010", 3, "train"),
        ("test/happy/S010", 3, "test"),
        ("happy/S010/test", None, None),  # a split below a person: neither is a class's place
        ("happy/val/S010", 3, "validation"),
        ("test/0_angry/7", 0, "test"),  # a number below an emotion is a person
        ("happy/angry", 0, "train"),  # the nearest emotion counts
        ("happy/S010/001", None, None),  # one level, no more
        ("test/S010/happy", 3, "test"),
        ("3/S010", None, None),  # a number is not an emotion's name
    ],
)
def test_a_folder_below_an_emotions_is_a_persons(folder, cls, split, files, write_tree, as_png):
    """The split comes from the folders above, as it does without the person's folder."""
    whole = {f"train/{name}": data for name, data in files.items()}
    picture = as_png(np.full((48, 48), 77, np.uint8))
    faces = load_source(write_tree({**whole, f"train/{folder}/x.png": picture}))
    found = (faces.images == 77).flatten(1).all(1).nonzero().flatten().tolist()
    assert len(found) == (cls is not None)
    for i in found:
        assert int(faces.labels[i]) == cls
        assert SPLITS[int(faces.splits[i])] == split
    said = any("in folders below their emotion's" in note for note in faces.notes)
    assert said == (
        cls is not None
        and folder.count("S010") + folder.count("7") == 1
        and not folder.endswith("happy")
    )


def test_jaffes_own_files_say_their_emotion(write_tree, as_png):
    generator = np.random.default_rng(3)
    codes = ("AN", "DI", "FE", "HA", "SA", "SU", "NE")
    flat = {
        f"jaffe/KA.{code}{i}.{i}9.tiff": as_png(generator.integers(0, 256, (64, 64), np.uint8))
        for code in codes
        for i in range(1, 4)
    }
    faces = load_source(write_tree(flat))
    assert len(faces) == 21
    for name, label in zip(faces.names, faces.labels.tolist(), strict=True):
        assert codes.index(name.split(".")[1][:2]) == label
    moved = {f"happy/{name.rpartition('/')[2]}": data for name, data in flat.items()}
    assert set(load_source(write_tree(moved, "moved")).labels.tolist()) == {3}
