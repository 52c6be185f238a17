from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from ferturb.base.config import PAPER, MethodConfig, ModelConfig, RunConfig
from ferturb.base.errors import FerturbError
from ferturb.base.storage import write_arrays, write_bytes, write_text
from ferturb.base.tensors import save_tensors
from ferturb.data.faces import Faces
from ferturb.models.classifier import Classifier
from ferturb.perturb.view_classifier import ViewClassifier
from ferturb.runs import provenance
from ferturb.runs.contents import RECORD
from ferturb.runs.provenance import describe_data, describe_hardware, describe_software
from ferturb.runs.run import Run, find_runs
from ferturb.training.checkpoint import Epoch
from ferturb.training.files import CHECKPOINT, CLUSTERS, MODEL

CONFIG = RunConfig(recipe=replace(PAPER, progressive_sizes=((0.5, 32),)), seed=3)


def test_a_folder_is_one_runs_forever(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "run"
    assert Run.create(folder, CONFIG).config == CONFIG
    before = (folder / "config.json").read_bytes()
    assert Run.create(folder, CONFIG).config == CONFIG  # the same again: opened
    with pytest.raises(FerturbError, match="already holds another run") as caught:
        Run.create(folder, replace(CONFIG, seed=4))
    assert CONFIG.fingerprint() in str(caught.value)
    assert "\n" not in str(caught.value)
    assert (folder / "config.json").read_bytes() == before
    assert Run.open(folder).config == CONFIG


def test_what_is_no_run_folder_is_refused(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "none"):
        with pytest.raises(FerturbError, match=r"not a run folder .*no config.json"):
            Run.open(folder)
    write_text(tmp_path / "config.json", "[")
    with pytest.raises(FerturbError, match="is not JSON"):
        _ = Run.open(tmp_path).config
    with pytest.raises(FerturbError, match="is not JSON"):
        Run.create(tmp_path, CONFIG)


def test_done_only_after_finish(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", CONFIG)
    logits = {"labels_test": np.array([1, 2]), "test_none": np.eye(2, 7, dtype=np.float32)}
    for name in (CHECKPOINT, "progress.json", MODEL):
        write_text(run.folder / name, "x")
    assert not run.done
    run.write_record({"best_epoch": 1})
    assert not run.done
    run.finish(logits)
    assert run.done
    assert Run.open(run.folder).done
    kept = sorted(p.name for p in run.folder.iterdir())
    assert kept == ["config.json", "logits.npz", MODEL, "run.json"]


def test_logits_come_back_as_they_were(tmp_path: Path) -> None:
    run = Run.create(tmp_path, CONFIG)
    generator = np.random.default_rng(0)
    arrays = {
        f"{split}_{name}": generator.normal(size=(5, 7)).astype(np.float32)
        for split in ("validation", "test")
        for name in ("none", "flip", "ten-crop")
    }
    labels = {f"labels_{s}": generator.integers(0, 7, 5) for s in ("validation", "test")}
    run.finish(labels | arrays)
    for split in ("validation", "test"):
        for name in ("none", "flip", "ten-crop"):
            got_labels, got = run.logits(split, name)
            np.testing.assert_array_equal(got_labels, labels[f"labels_{split}"])
            np.testing.assert_array_equal(got, arrays[f"{split}_{name}"])
            assert got.dtype == np.float32
    assert sorted(run.augmentations()) == ["flip", "none", "ten-crop"]
    with pytest.raises(KeyError):
        run.logits("test", "five-crop")


def test_history_round_trip_is_exact(tmp_path: Path) -> None:
    run = Run.create(tmp_path, CONFIG)
    assert run.history() == []
    rows = [Epoch(1, 0.1 + 0.2, 1 / 3, 2.0, 0.5, 1e-17, 3.25), Epoch(2, 1.0, 1.0, 1.0, 1.0, 0.1, 1)]
    run.write_history(rows)
    assert run.history() == [vars(r) for r in rows]
    assert isinstance(run.history()[0]["epoch"], int)


def test_progress_and_record(tmp_path: Path) -> None:
    run = Run.create(tmp_path, CONFIG)
    assert run.progress() == {}
    shown = {"epoch": 2, "epochs": 3, "step": 4, "steps": 9, "faces_per_second": 1.5}
    run.write_progress(shown)
    assert run.progress() == shown
    run.write_record({"a": [1, None]})
    assert run.record() == {"a": [1, None]}


def test_find_runs_at_every_depth_by_name(tmp_path: Path) -> None:
    for name in ("b", "a/inner", "c"):
        Run.create(tmp_path / name, CONFIG)
    (tmp_path / "d").mkdir()
    assert [r.folder.relative_to(tmp_path).as_posix() for r in find_runs(tmp_path)] == [
        "a/inner",
        "b",
        "c",
    ]
    assert [r.folder for r in find_runs(tmp_path / "b")] == [tmp_path / "b"]
    assert find_runs(tmp_path / "d") == []


def perturb_run(folder: Path, best: int, test_views: bool = True) -> tuple[Run, torch.Tensor]:
    method = MethodConfig("perturb", test_views=test_views)
    run = Run.create(folder, RunConfig(model=ModelConfig("tiny"), method=method))
    maps = torch.randint(0, 3, (4, 32, 32), generator=torch.Generator().manual_seed(0))
    save_tensors(folder / CLUSTERS, {"maps": maps.to(torch.uint8)}, {})
    torch.manual_seed(0)
    Classifier(ModelConfig("tiny")).save(folder / MODEL)
    run.write_record({"best_epoch": best})
    return run, maps


@pytest.mark.usefixtures("tiny")
def test_the_model_of_a_perturb_run_sums_views_of_the_best_epochs_map(tmp_path: Path) -> None:
    run, maps = perturb_run(tmp_path, best=3)
    assert np.array_equal(run.cluster_maps(), maps.numpy())
    model = run.load_model()
    assert isinstance(model, ViewClassifier)
    assert not any(m.training for m in model.modules())
    assert torch.equal(model.cluster_map, maps[2])
    faces = torch.rand(2, 1, 32, 32)
    expected = ViewClassifier(run.load_classifier(), maps[2], run.config.method)(faces)
    assert torch.equal(model(faces), expected)


@pytest.mark.usefixtures("tiny")
def test_without_views_at_test_time_the_model_is_the_classifier(tmp_path: Path) -> None:
    run, _ = perturb_run(tmp_path, best=1, test_views=False)
    assert isinstance(run.load_model(), Classifier)


@pytest.mark.usefixtures("tiny")
def test_a_run_that_sums_views_is_no_classifier_without_its_maps(tmp_path: Path) -> None:
    run, _ = perturb_run(tmp_path, best=1)
    (run.folder / CLUSTERS).unlink()
    with pytest.raises(FerturbError, match=f"has no {CLUSTERS}, whose views it sums; restore it"):
        run.load_model()


def test_another_repositorys_commit_is_not_ferturbs(tmp_path: Path) -> None:
    """Installed into a folder that the repository around it ignores."""
    package = tmp_path / ".venv" / "ferturb"
    package.mkdir(parents=True)
    own = Path(provenance.__file__)
    shutil.copy(own, package)
    (tmp_path / ".gitignore").write_text(".venv\n")
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b.c"]
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "theirs"]):
        subprocess.run([*git, *arguments], check=True)
    code = "import provenance; print(provenance.describe_software()['commit'])"
    said = subprocess.run(
        [sys.executable, "-c", code], cwd=package, capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == "None"


def test_descriptions_are_json_and_true(toy_faces: Faces) -> None:
    data = json.loads(json.dumps(describe_data(toy_faces)))
    assert data["hash"] == toy_faces.content_hash()
    assert data["counts"] == toy_faces.counts()
    software = json.loads(json.dumps(describe_software()))
    assert torch.__version__.split("+")[0] == software["versions"]["torch"].split("+")[0]
    for precision, name in (("float32", "float32"), ("bfloat16", "bfloat16")):
        hardware = describe_hardware(torch.device("cpu"), precision)
        assert hardware["precision"] == name
        assert hardware["device"] == "cpu"
        assert hardware["memory_gib"] > 0


def test_windows_is_asked_for_its_memory_by_its_own_name(monkeypatch: pytest.MonkeyPatch) -> None:
    class Kernel:
        @staticmethod
        def GetPhysicallyInstalledSystemMemory(kib: Any) -> None:  # noqa: N802
            kib._obj.value = 6 * 2**20

    monkeypatch.delattr("os.sysconf", raising=False)
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setattr("ctypes.windll", SimpleNamespace(kernel32=Kernel), raising=False)
    assert describe_hardware(torch.device("cpu"), "float32")["memory_gib"] == 6.0


def test_analyses_come_back_as_they_were_kept(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", RunConfig())
    assert run.analyses() == ()
    assert run.analysis("ablation") is None
    run.store_analysis("ablation", {"change": np.arange(6.0).reshape(2, 3)}, {"fill": "mean"})
    run.store_analysis("saliency-gradient", {}, {})
    arrays, record = run.analysis("ablation") or ({}, {})
    assert np.array_equal(arrays["change"], np.arange(6.0).reshape(2, 3))
    assert record == {"fill": "mean"}
    assert run.analyses() == ("ablation", "saliency-gradient")


@pytest.mark.parametrize(
    ("to_run", "to_name"), [("other", "ablation"), ("run", "ablation-blur"), ("moved", "ablation")]
)
def test_an_analysis_of_another_run_or_name_is_noticed(
    tmp_path: Path, to_run: str, to_name: str
) -> None:
    """The file itself is sound; a run that was only moved, or copied, keeps its own."""
    run = Run.create(tmp_path / "run", CONFIG)
    Run.create(tmp_path / "other", replace(CONFIG, seed=4))
    Run.create(tmp_path / "moved", CONFIG)
    run.store_analysis("ablation", {"change": np.zeros(3)}, {"fill": "mean"})
    other = Run(tmp_path / to_run)
    write_bytes(other.analysis_path(to_name), run.analysis_path("ablation").read_bytes())
    if to_run == "moved":
        assert (other.analysis(to_name) or ({}, {}))[1] == {"fill": "mean"}
        return
    with pytest.raises(FerturbError, match=f"is not {to_name} of this run; delete it and analyse"):
        other.analysis(to_name)


def test_an_analysis_that_does_not_say_whose_it_is_is_taken(tmp_path: Path) -> None:
    """Those of an earlier ferturb don't."""
    run = Run.create(tmp_path / "run", CONFIG)
    kept = {RECORD: np.array('{"fill": "mean"}'), "change": np.zeros(3)}
    write_arrays(run.analysis_path("ablation"), kept)
    assert (run.analysis("ablation") or ({}, {}))[1] == {"fill": "mean"}


def test_a_damaged_analysis_is_one_line(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", RunConfig())
    run.store_analysis("ablation", {"change": np.zeros(3)}, {})
    (run.folder / "analyses" / "ablation.npz").write_bytes(b"PK\x03\x04 not a zip")
    with pytest.raises(FerturbError, match="delete it and analyse the run again"):
        run.analysis("ablation")


def test_an_analysis_is_replaced_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after the first file that replaces another, its arrays and record still agree."""
    run = Run.create(tmp_path / "run", RunConfig())
    run.store_analysis("ablation", {"seed": np.array(1)}, {"seed": 1})
    replaced, replace_file = [], Path.replace

    def killed_after_one(self: Path, target: Path) -> Path:
        if replaced:
            raise KeyboardInterrupt
        replaced.append(target)
        return replace_file(self, target)

    monkeypatch.setattr(Path, "replace", killed_after_one)
    with contextlib.suppress(KeyboardInterrupt):
        run.store_analysis("ablation", {"seed": np.array(2)}, {"seed": 2})
    arrays, record = run.analysis("ablation") or ({}, {})
    assert int(arrays["seed"]) == record["seed"] == 2
