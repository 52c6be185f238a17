"""A network of two stages by the commands of any other."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest

from ferturb.base.config import DatasetConfig, MethodConfig, ModelConfig, RecipeConfig, RunConfig
from ferturb.cli.main import main
from ferturb.data.sources import load_faces
from ferturb.models.backbones import BACKBONES
from ferturb.models.two_stage import two_stage
from ferturb.runs.execute import execute_run, prepare


@pytest.mark.slow
def test_it_is_trained_scored_exported_and_ablated(
    tiny: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(BACKBONES, "two-stage-tiny", partial(two_stage, BACKBONES[tiny]))
    dataset, method = DatasetConfig(synthetic_faces=280), MethodConfig("two-stage")
    recipe = RecipeConfig("short", epochs=6, batch_size=32)
    run = prepare(tmp_path, RunConfig(dataset, ModelConfig("two-stage-tiny"), method, recipe))
    assert execute_run(run, load_faces(dataset, cache=False))
    called = []
    for worn in ("none", "mixed"):
        capsys.readouterr()
        main(["evaluate", str(run.folder), "--face-masks", worn, "--json"])
        called.append(json.loads(capsys.readouterr().out)[0]["called_masked"])
    assert called[0] < 0.25
    assert called[1] > 0.75
    main(["evaluate", str(run.folder)])
    assert "calls masked" in capsys.readouterr().out
    main(["export", str(run.folder), "--out", str(tmp_path / "two.onnx")])
    main(["ablate", str(run.folder), "--features", "mouth", "--controls", "1"])
    assert (tmp_path / "two.onnx").exists()
    assert run.analyses()
