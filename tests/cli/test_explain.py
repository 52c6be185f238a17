from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ferturb.base.config import DatasetConfig, ModelConfig, RecipeConfig, RunConfig
from ferturb.cli.main import main
from ferturb.evaluation.saliency.parts import PARTS
from ferturb.features.altered import load_dataset
from ferturb.runs.execute import execute_run, prepare
from ferturb.runs.run import Run

RECIPE = RecipeConfig(epochs=1, batch_size=32, precision="float32", evaluate=("none",))


@pytest.fixture
def run(tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("FERTURB_CACHE", str(tmp_path / "cache"))
    data = DatasetConfig(synthetic_faces=140)
    made = prepare(tmp_path / "runs", RunConfig(data, ModelConfig(tiny), recipe=RECIPE))
    execute_run(made, load_dataset(data))
    return made


def test_explain_prints_writes_and_keeps(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    options = ["--method", "gradient", "--faces", "1", "--out", str(out)]
    main(["explain", str(run.folder), *options])
    shown = capsys.readouterr().out
    assert all(part in shown for part in PARTS)
    assert "gradient, mass over area (test, 7 faces)" in shown
    assert {"saliency_faces.png", "saliency_mass.csv"} <= {path.name for path in out.iterdir()}
    assert run.analyses() == ("saliency-gradient",)


def test_explain_in_json(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    main(["explain", str(run.folder), "--method", "gradient", "--faces", "1", "--json"])
    found = json.loads(capsys.readouterr().out)
    mass = found["mass"][run.name]
    shares = [m["share"]["estimate"] for m in mass if m["emotion"] == "all"]
    assert sum(shares) == pytest.approx(1, abs=1e-5)


def test_faithfulness_prints_and_keeps(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--methods", "gradient", "--faces", "1"]
    main(["faithfulness", str(run.folder), *options])
    shown = capsys.readouterr().out
    assert all(name in shown for name in ("gradient", "random", "centre", "names %"))
    assert run.analyses() == ("faithfulness",)
    main(["faithfulness", str(run.folder), *options, "--json"])
    rows = json.loads(capsys.readouterr().out)[run.name]
    assert [row["method"] for row in rows] == ["gradient", "random", "centre"]


def test_runs_of_one_name_in_two_studies_are_told_apart(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = [str(run.folder), shutil.copytree(run.folder, tmp_path / "other" / run.name)]
    names = [f"{run.name} (1)", f"{run.name} (2)"]
    main(["explain", *map(str, both), "--method", "gradient", "--faces", "1", "--json"])
    assert list(json.loads(capsys.readouterr().out)["mass"]) == names
    main(["faithfulness", *map(str, both), "--methods", "gradient", "--faces", "1", "--json"])
    assert list(json.loads(capsys.readouterr().out)) == names
    main(["evaluate", *map(str, both), "--augmentation", "none", "--ensemble", "--json"])
    *rows, ensemble = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == ensemble["members"] == names


def test_a_run_of_a_name_that_is_not_utf8_is_a_run(
    run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = str(shutil.copytree(run.folder, tmp_path / "caf\udce9"))
    out = ["--out", str(tmp_path / "out")]
    main(["explain", other, "--method", "gradient", "--faces", "1", *out])
    assert "caf\\xe9: gradient, mass over area" in capsys.readouterr().out
    main(["evaluate", other, "--augmentation", "none", *out])
    assert "caf\\xe9" in (tmp_path / "out" / "scores.csv").read_text(encoding="utf-8")
    main(["ablate", other, "--features", "mouth", "--controls", "1", *out])
    main(["export", other, "--out", str(tmp_path / "\udce9.onnx")])


def test_bad_input_is_one_line(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["explain", str(run.folder), "--method", "lime"])
    assert stopped.value.code == 2
    error = capsys.readouterr().err.strip()
    assert "unknown saliency method 'lime'" in error
    assert len(error.splitlines()) == 1
