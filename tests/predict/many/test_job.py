from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.cli.main import main
from ferturb.predict.many.job import Counts, Total, Work, predict_many
from ferturb.predict.many.pieces import Piece
from ferturb.predict.many.processes import in_processes
from ferturb.predict.reading import Reading
from ferturb.predict.shipped import load_pretrained
from ferturb.predict.tabular import rows_of
from made_photos import encoded
from posix_only import posix_only
from quick_predictor import quick, write_faces

CROPPED = Reading(cropped=True)
HELPERS = str(Path(__file__).parents[2] / "helpers")


def rows(folder: Path) -> list[dict[str, Any]]:
    """The rows of all parts, in the parts' order."""
    return list(pq.read_table(folder).to_pylist())


def predicted(
    tmp_path: Path, out: str, executor: Any = in_processes, size: int = 7, workers: int = 1
) -> Total:
    work = Work(tmp_path / out, quick, CROPPED)
    return predict_many([tmp_path / "in"], work, executor, workers, {"in": "in"}, size)


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """A folder of ten faces and a damaged one, in two places, beside a table of twenty."""
    folder = tmp_path / "in"
    (folder / "more").mkdir(parents=True)
    faces = write_faces(str(folder / "table.parquet"), 20, 10, 8)
    for i, face in enumerate(faces):
        (folder / ("more" if i % 2 else "") / f"{i}.png").write_bytes(encoded(face))
    (folder / "bad.png").write_bytes(b"nothing")
    (folder / "notes.txt").write_text("no photo")
    return folder


def test_the_rows_are_those_that_one_call_gives(mixed: Path, tmp_path: Path) -> None:
    total = predicted(tmp_path, "out")
    assert total == Total(31, 1, 7)
    found = {row["name"]: row for row in rows(tmp_path / "out")}
    assert len(found) == 31
    files = sorted(mixed.rglob("*.png"))
    expected = [r for photo in quick().predict_files(files, CROPPED) for r in rows_of(photo)]
    for row in expected:
        own = found.pop(row["name"])
        for name, value in row.items():
            close = pytest.approx(value, abs=1e-6) if isinstance(value, float) else value
            assert own[name] == close, name
    assert set(found) == {f"{mixed / 'table.parquet'}#{i}" for i in range(20)}
    faces = load_pretrained("tiny", 1).predict_proba(
        np.stack([np.asarray(photo.faces[0].face) for photo in quick().predict_files(
            sorted(mixed.rglob("[0-9].png"), key=lambda p: p.name), CROPPED)])
    )  # fmt: skip
    for i in range(20):
        row = found[f"{mixed / 'table.parquet'}#{i}"]
        np.testing.assert_allclose([row[e] for e in EMOTIONS], faces[i % 10], atol=6e-5)


def test_a_prediction_that_broke_off_goes_on(mixed: Path, tmp_path: Path) -> None:
    predicted(tmp_path, "whole")

    def breaking(work: Work, pieces: Iterable[Piece], workers: int) -> Iterator[Counts]:
        yield from islice(in_processes(work, pieces, workers), 2)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        predicted(tmp_path, "out", breaking)
    (mixed / "late.png").write_bytes(b"came when the plan was made")
    assert not (tmp_path / "out" / "_done.json").exists()
    times = {p: p.stat().st_mtime_ns for p in (tmp_path / "out").glob("part-*")}
    assert len(times) == 2
    assert predicted(tmp_path, "out").photos == 31
    assert rows(tmp_path / "out") == rows(tmp_path / "whole")
    assert {p: p.stat().st_mtime_ns for p in times} == times


def test_numbers_are_read_as_datasets_are_and_an_error_says_why(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    face = write_faces(str(tmp_path / "in" / "a.parquet"), 1, 1, 1)[0]
    cells = [(face / 255).tolist(), face.tolist(), [[255.5, 1], [1, 1]], [[1, 1, 1], [1]], None]
    pq.write_table(pa.table({"pixels": cells}), tmp_path / "in" / "b.parquet")
    assert predicted(tmp_path, "out") == Total(6, 3, 2)
    file, shares, numbers, *wrong = rows(tmp_path / "out")
    for row in (shares, numbers):
        assert [row[e] for e in EMOTIONS] == pytest.approx([file[e] for e in EMOTIONS], abs=1e-6)
    assert [row["error"] for row in wrong] == [
        "expected pixels from 0 to 255, got 255.5",
        "expected 2304 pixels (48×48), got rows of different lengths",
        "expected 2304 pixels (48×48), got 0",
    ]


def test_another_prediction_is_refused_and_so_is_nothing(mixed: Path, tmp_path: Path) -> None:
    predicted(tmp_path, "out")
    work = Work(tmp_path / "out", quick, CROPPED)
    with pytest.raises(FerturbError, match="another prediction"):
        predict_many([mixed], work, in_processes, 1, {"in": "elsewhere"})
    (tmp_path / "empty").mkdir()
    work = Work(tmp_path / "none", quick, CROPPED)
    with pytest.raises(FerturbError, match="no photos"):
        predict_many([tmp_path / "empty"], work, in_processes, 1, {})


def test_a_folder_that_is_closed_is_a_photo_that_cannot_be_read(
    mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = os.scandir

    def scandir(path: Any) -> Any:
        if Path(path) == mixed / "more":
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert predicted(tmp_path, "out").failed == 2
    (row,) = (row for row in rows(tmp_path / "out") if row["name"] == str(mixed / "more"))
    assert row["error"]


def test_a_name_that_can_be_none_is_one_too(tmp_path: Path) -> None:
    work = Work(tmp_path / "out", quick, CROPPED)
    total = predict_many([Path("x" * 300)], work, in_processes, 1, {})
    assert (total.photos, total.failed) == (1, 1)
    assert "too long" in rows(tmp_path / "out")[0]["error"]


def test_what_is_passed_over_is_said_each_time(mixed: Path, tmp_path: Path) -> None:
    (mixed / "more" / "film.MP4").touch()
    work, said = Work(tmp_path / "out", quick, CROPPED), list[str]()
    for _ in range(2):
        predict_many([mixed], work, in_processes, 1, {}, on_notes=said.extend)
    assert said == 2 * [
        f"{mixed}: 1 video was passed over (more/film.MP4): --out takes photos and parquet files",
        f"{mixed}: 1 file was passed over (notes.txt): no image or table by its suffix",
    ]
    with pytest.raises(FerturbError, match=r"film\.MP4 is a video; --out takes photos"):
        predict_many(
            [mixed / "more" / "film.MP4"], replace(work, folder=tmp_path / "b"), in_processes, 1, {}
        )


def test_what_is_no_table_of_photos_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "t.parquet"
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(FerturbError, match="not a parquet file"):
        predicted(tmp_path, "a")
    pq.write_table(pa.table({"age": [1, 2]}), path)
    with pytest.raises(FerturbError, match=r"expected a column image or .*found age"):
        predicted(tmp_path, "b")


def test_the_command_line(mixed: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["predict", str(mixed), "--cropped", "--model", "tiny", "--workers", "1", "--json"]
    command += ["--out", str(tmp_path / "out"), "--piece", "10"]
    for _ in range(2):
        with pytest.raises(SystemExit) as ended:
            main(command)
        assert ended.value.code == 1  # bad.png
        assert '"photos": 31' in capsys.readouterr().out
    assert len(rows(tmp_path / "out")) == 31
    with pytest.raises(SystemExit) as ended:
        main([*command, "--landmarks"])
    assert ended.value.code == 2
    assert "--json (a summary)" in capsys.readouterr().err


KILLED = """
from pathlib import Path
from ferturb.predict.many.job import Work, predict_many
from ferturb.predict.many.processes import in_processes
from ferturb.predict.reading import Reading
from quick_predictor import quick
if __name__ == "__main__":
    work = Work(Path({out!r}), quick, Reading(cropped=True))
    predict_many([Path({source!r})], work, in_processes, 2, {{"in": "in"}}, 300)
"""


@posix_only
@pytest.mark.slow
def test_thousands_of_faces_killed_halfway_give_each_row_once(tmp_path: Path) -> None:
    n, distinct, out = 6_000, 400, tmp_path / "out"
    (tmp_path / "in").mkdir()
    source = tmp_path / "in" / "faces.parquet"
    faces = write_faces(str(source), n, distinct, 750)
    program = tmp_path / "killed.py"
    program.write_text(KILLED.format(out=str(out), source=str(tmp_path / "in")))
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([HELPERS, *sys.path])}
    running = subprocess.Popen(
        [sys.executable, str(program)], env=environment, start_new_session=True
    )
    while len(list(out.glob("part-*"))) < 9 and running.poll() is None:
        time.sleep(0.05)
    running.send_signal(signal.SIGKILL)
    running.wait()
    with contextlib.suppress(ProcessLookupError):
        while True:  # the processes that it started end with it
            os.killpg(running.pid, 0)
            time.sleep(0.05)
    there = len(list(out.glob("part-*")))
    assert 9 <= there < 24
    assert predicted(tmp_path, "out", size=300).photos == n
    found = rows(out)
    assert [row["name"] for row in found] == [f"{source}#{i}" for i in range(n)]
    expected = load_pretrained("tiny", 1).predict_proba(faces)
    got = np.array([[row[e] for e in EMOTIONS] for row in found])
    np.testing.assert_allclose(got, np.tile(expected, (n // distinct, 1)), atol=6e-5)


@pytest.mark.slow
def test_actors_of_ray_give_the_same_rows(
    mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([HELPERS, *sys.path]))
    from ferturb.predict.many.on_ray import on_ray

    predicted(tmp_path, "whole")
    assert predicted(tmp_path, "out", on_ray, workers=2) == Total(31, 1, 7)
    assert rows(tmp_path / "out") == rows(tmp_path / "whole")
