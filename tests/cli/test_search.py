from __future__ import annotations

import json
from pathlib import Path

import pytest

from ferturb.base.config import RunConfig
from ferturb.cli import search as verb
from ferturb.cli import train as train_verb
from ferturb.cli.main import main
from ferturb.data.faces import Faces
from ferturb.runs.run import find_runs

COMMAND = ["search", "--model", "tiny", "--epochs", "1", "--small-faces", "0", "--workers", "1"]


@pytest.fixture
def faces(toy_faces: Faces, tiny: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (verb, train_verb):
        monkeypatch.setattr(module, "read_faces", lambda *_, **__: toy_faces)


@pytest.mark.usefixtures("faces")
def test_a_search_and_the_training_of_its_best(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "search"
    more = ["--trials", "2", "--vary", "recipe.learning_rate=0.01,0.1", "--out", str(out)]
    main([*COMMAND, *more, "--json"])
    best = json.loads(capsys.readouterr().out)
    assert best["values"]["recipe.learning_rate"] in (0.01, 0.1)
    assert (out / "report" / "index.html").exists()
    main(["search", "--join", str(out), "--workers", "1", "--quiet"])  # nothing is left to do
    for seed in ([], ["--seed", "5"]):
        runs = str(tmp_path / "runs")
        main(["train", "--config", str(out / "best.json"), "--out", runs, "--quiet", *seed])
    configs = {run.config.seed: run for run in find_runs(tmp_path / "runs")}
    assert set(configs) == {0, 5}
    stored = RunConfig.from_dict(json.loads((out / "best.json").read_text()))
    assert configs[0].config == stored
    assert configs[0].done
    assert configs[0].logits("test", "flip")[1].shape[1] == 7


@pytest.mark.usefixtures("faces")
def test_the_shapes_of_a_network_are_searched_by_the_name_of_their_space(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    more = ["--model", "vgg-like", "--vary", "vgg-like", "--sampler", "genetic", "--trials", "1"]
    main([*COMMAND, *more, "--prune-after", "0", "--out", str(tmp_path), "--json"])
    values = json.loads(capsys.readouterr().out)["values"]
    assert {"model.shape.kernel": 3, "model.shape.width": 32, "model.dropout": 0}.items() <= (
        values.items()
    )
    assert len(values) == 9


@pytest.mark.usefixtures("faces")
@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--vary", "recipe.learning_rat=0..1"], "did you mean 'learning_rate'"),
        (["--trials", "0"], "trials must be from 1"),
        (["--workers", "0"], "workers"),
        (["--method", "perturb"], "build on no other run"),
        (["--join", "nowhere"], "holds no search"),
    ],
)
def test_what_cant_be_searched_is_one_line(
    more: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*COMMAND, "--out", str(tmp_path / "out"), *more])
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert said in error
    assert not (tmp_path / "out").exists()


def test_a_config_that_is_none_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "config.json"
    for text in ("[]", '{"seed": -1}', '{"sede": 1}', "nothing"):
        path.write_text(text)
        with pytest.raises(SystemExit) as ended:
            main(["train", "--config", str(path), "--out", str(tmp_path / "runs")])
        assert ended.value.code == 2
        assert str(path) in capsys.readouterr().err
    assert not (tmp_path / "runs").exists()
