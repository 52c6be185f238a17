from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from ferturb.base.config import DatasetConfig
from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.data.fer_plus import VOTES, apply_fer_plus, majority, read_votes
from ferturb.data.sources import load_faces, load_source

HEADER = (
    "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
)
SAME = {"angry": 4, "disgust": 5, "fear": 6, "happy": 1, "sad": 3, "surprise": 2, "neutral": 0}
"""Where each emotion stands in FER+'s order, written by hand."""


def votes_for(column: int, count: int = 10) -> list[int]:
    return [count if i == column else 0 for i in range(10)]


@pytest.fixture
def write_votes(small_faces, tmp_path):
    """fer2013new.csv that agrees with the faces, but for the given rows."""

    def write(changes=None, usages=None):
        lines = [HEADER]
        for row, (label, name) in enumerate(
            zip(small_faces.labels.tolist(), small_faces.names, strict=True)
        ):
            votes = (changes or {}).get(row, votes_for(SAME[EMOTIONS[label]]))
            usage = (usages or {}).get(row, name.split("_")[0])
            lines.append(f"{usage},fer{row:07d}.png,{','.join(map(str, votes))}")
        path = tmp_path / "plus" / "fer2013new.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_text("\n".join(lines) + "\n")
        return path

    return write


CHANGES = {
    2: votes_for(2, 9),  # surprise
    3: votes_for(7),  # contempt
    5: votes_for(8),  # unknown
    7: votes_for(9),  # no face
    11: [5, 5, 0, 0, 0, 0, 0, 0, 0, 0],  # a tie
}


def check(got, faces, positions):
    """Against the labels that CHANGES asks for, for the faces at these rows of the table."""
    want = faces.labels.clone()
    want[2] = EMOTIONS.index("surprise")
    kept = [row for row in positions if row not in (3, 5, 7, 11)]
    assert torch.equal(got.labels, want[kept])
    assert len(got) == len(kept)
    assert got.info["fer_plus_left_out"] == {
        "no majority": 1,
        "contempt": 1,
        "unknown": 1,
        "nf": 1,
        "no row": 0,
    }
    assert "4 images left out: no majority (1), contempt (1), unknown (1), nf (1)" in got.notes[-1]


def test_majority_by_hand():
    votes = np.array(
        [
            [10, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            [0, 6, 4, 0, 0, 0, 0, 0, 0, 0],
            [5, 5, 0, 0, 0, 0, 0, 0, 0, 0],  # not more than half
            [4, 3, 3, 0, 0, 0, 0, 0, 0, 0],
            [3, 1, 1, 1, 1, 1, 1, 1, 0, 0],  # single votes dropped: 3 of 3
            [1, 1, 1, 1, 1, 1, 1, 1, 1, 1],  # nothing left
        ]
    )
    assert majority(votes).tolist() == [0, 1, -1, -1, 0, -1]


def test_faces_of_the_csv_go_by_row(small_faces, csv_text, write_tree, write_votes):
    folder = write_tree({"fer2013.csv": csv_text(small_faces).encode()})
    faces = load_source(folder)
    got = apply_fer_plus(faces, write_votes(CHANGES))
    check(got, small_faces, range(84))
    config = DatasetConfig(source=str(folder), fer_plus=str(write_votes(CHANGES)))
    assert load_faces(config).content_hash() == got.content_hash()


def test_rows_are_kept_after_selecting(small_faces, csv_text, write_tree, write_votes):
    faces = load_source(write_tree({"fer2013.csv": csv_text(small_faces).encode()}))
    order = torch.arange(83, -1, -1)
    check(apply_fer_plus(faces.select(order), write_votes(CHANGES)), small_faces, order.tolist())


def test_exported_file_names(small_faces, write_votes):
    names = tuple(f"FER2013Train/fer{i:07d}.png" for i in range(84))
    check(
        apply_fer_plus(replace(small_faces, names=names), write_votes(CHANGES)),
        small_faces,
        range(84),
    )


def smooth(faces):
    """Faces that survive JPEG with small changes, as photos do."""
    small = faces.images[:, ::8, ::8]
    images = [Image.fromarray(i.numpy()).resize((48, 48), Image.Resampling.BICUBIC) for i in small]
    return replace(faces, images=torch.from_numpy(np.stack([np.asarray(i) for i in images])))


def test_jpegs_are_matched_to_the_table_beside_the_votes(
    small_faces, csv_text, write_zip, write_votes
):
    rows = smooth(small_faces)
    files = {}
    for i, (image, label, split) in enumerate(
        zip(rows.images.numpy(), rows.labels.tolist(), rows.splits.tolist(), strict=True)
    ):
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, format="JPEG", quality=90)
        usage = ("Training", "PublicTest", "PrivateTest")[split]
        number = (i * 37) % 84  # names that look like row numbers and are none
        files[f"{'test' if split else 'train'}/{EMOTIONS[label]}/{usage}_{number}.jpg"] = (
            buffer.getvalue()
        )
    archive = write_zip(files)
    votes = write_votes(CHANGES)
    with pytest.raises(FerturbError, match=r"put it beside fer2013new\.csv"):
        load_faces(DatasetConfig(source=str(archive), fer_plus=str(votes)))
    (votes.parent / "fer2013.csv").write_text(csv_text(rows))
    got = load_faces(DatasetConfig(source=str(archive), fer_plus=str(votes)))
    plain = load_source(archive)
    row_of = {int(n.rpartition("_")[2][:-4]): n for n in plain.names}
    positions = [next(i for i in range(84) if (i * 37) % 84 == number) for number in row_of]
    check(got, small_faces, positions)


def test_a_photo_that_is_in_no_row_is_left_out(small_faces, csv_text, write_tree, write_votes):
    rows = load_source(write_tree({"fer2013.csv": csv_text(small_faces).encode()}))
    images = small_faces.images.clone()
    images[0] = 255 - images[0]
    faces = replace(small_faces, images=images, info={"form": "images"})
    got = apply_fer_plus(faces, write_votes(), rows)
    assert got.info["fer_plus_left_out"]["no row"] == 1
    assert small_faces.names[0] not in got.names


def test_votes_in_another_order_are_refused(
    small_faces, csv_text, write_tree, write_votes, tmp_path
):
    faces = load_source(write_tree({"fer2013.csv": csv_text(small_faces).encode()}))
    other = dict.fromkeys(range(84), "PrivateTest")
    with pytest.raises(FerturbError, match="Usage differs from the splits"):
        apply_fer_plus(faces, write_votes(usages=other))
    many = faces.select(torch.arange(84).repeat(2))
    shifted = {
        row: votes_for(SAME[EMOTIONS[(label + 1) % 7]])
        for row, label in enumerate(small_faces.labels.tolist())
    }
    with pytest.raises(FerturbError, match="only 0% of its labels agree"):
        apply_fer_plus(many, write_votes(shifted))
    path = write_votes()
    path.write_text("\n".join(path.read_text().splitlines()[:20]))
    with pytest.raises(FerturbError, match="has 19 rows"):
        apply_fer_plus(faces, path)


@pytest.mark.parametrize("count", ["inf", "nan", "1e999", "-1", "256", "2.7", "three", ""])
def test_what_can_be_no_number_of_votes_is_refused(count, write_votes):
    path = write_votes({3: [count, *votes_for(0)[1:]]})
    with pytest.raises(FerturbError, match="row 4: expected a Usage and 10 numbers of votes, 0 to"):
        read_votes(path)


def test_whole_votes_are_read_however_they_are_written(write_votes):
    path = write_votes({3: ["255", "2.0", " 7 ", *votes_for(0)[3:]]})
    assert read_votes(path).counts[3].tolist() == [255, 2, 7, 0, 0, 0, 0, 0, 0, 0]


def test_damaged_votes_are_refused(write_votes, tmp_path):
    path = write_votes()
    text = path.read_text()
    path.write_text(text.replace(",contempt", "", 1))
    with pytest.raises(FerturbError, match="missing column contempt"):
        read_votes(path)
    lines = text.splitlines()
    path.write_text("\n".join([*lines[:4], "Training,fer0000003.png,1,2", *lines[5:]]))
    with pytest.raises(FerturbError, match="row 4: expected a Usage and 10 numbers"):
        read_votes(path)
    path.write_text("")
    with pytest.raises(FerturbError, match="missing column"):
        read_votes(path)
    with pytest.raises(FerturbError, match="can't read the FER"):
        read_votes(tmp_path / "absent.csv")
    assert len(VOTES) == 10
