"""Models on the Hugging Face hub, against a stand-in that keeps folders on this machine."""

from __future__ import annotations

import inspect
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml

from calibrated_run import FACES, finished_run
from ferturb.base.errors import FerturbError
from ferturb.cli.main import main
from ferturb.export.hub import push_to_hub, write_hub_folder
from ferturb.export.torch_models import load_calibrated
from ferturb.predict.predictor import Predictor
from ferturb.predict.shipped import load_pretrained

client = pytest.importorskip("huggingface_hub", reason="the extra hub is not installed")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that stands for the hub; calls must fit the signatures of the real client."""
    home = tmp_path / "hub"
    real = client.HfApi

    class Api:
        def __init__(self, **options: object) -> None:
            inspect.signature(real).bind(**options)

        def create_repo(self, *given: str, **options: object) -> None:
            inspect.signature(real.create_repo).bind(self, *given, **options)
            (home / given[0]).mkdir(parents=True, exist_ok=True)
            (home / given[0] / "private").write_text(str(options["private"]))

        def upload_folder(self, **options: str) -> str:
            inspect.signature(real.upload_folder).bind(self, **options)
            if options["repo_id"].startswith("others/"):
                raise PermissionError("403: not yours")
            shutil.copytree(options["folder_path"], home / options["repo_id"], dirs_exist_ok=True)
            return f"https://hub.example/{options['repo_id']}"

    def hf_hub_download(repo_id: str, filename: str, *, revision: str | None = None) -> str:
        given = {"revision": revision}
        inspect.signature(client.file_download.hf_hub_download).bind(repo_id, filename, **given)
        path = home / repo_id / filename
        if not path.exists() or revision not in (None, "main"):
            raise FileNotFoundError(f"404: {repo_id} at {revision}")
        return str(path)

    monkeypatch.setattr(client, "HfApi", Api)
    monkeypatch.setattr(client, "hf_hub_download", hf_hub_download)
    return home


def test_what_was_pushed_is_fetched_by_name_and_answers_alike(
    hub: Path, tmp_path: Path, tiny: str
) -> None:
    run = finished_run(tmp_path / "run", tiny, heads=("label", "votes"))
    assert push_to_hub(run.folder, "me/faces") == "https://hub.example/me/faces"
    assert (hub / "me" / "faces" / "private").read_text() == "True"
    expected = load_calibrated(run.folder)
    models = [load_pretrained(name) for name in ("hf:me/faces", "hf:me/faces@main")]
    models += [Predictor.from_pretrained("me/faces", revision=r).model for r in (None, "main")]
    for model in models:
        assert model.about == expected.about
        np.testing.assert_allclose(
            model.predict_proba(FACES), expected.predict_proba(FACES), atol=1e-4
        )
    weights = load_calibrated(hub / "me" / "faces" / "model.safetensors")
    np.testing.assert_allclose(
        weights.predict_proba(FACES), expected.predict_proba(FACES), atol=1e-6
    )


def test_the_card_says_what_the_hub_reads(tmp_path: Path, tiny: str) -> None:
    run = finished_run(tmp_path / "run", tiny, heads=("label", "votes"))
    folder = write_hub_folder(run.folder, tmp_path / "out", "me/faces", "cc-by-4.0")
    config = json.loads((folder / "config.json").read_text())
    assert (config["library_name"], config["head"]) == ("ferturb", "votes")
    front = yaml.safe_load((folder / "README.md").read_text().split("---")[1])
    assert (front["license"], front["library_name"]) == ("cc-by-4.0", "ferturb")
    (index,) = front["model-index"]
    labels, logits = run.logits("test", "flip", "label")
    (result,) = index["results"]
    values = {m["type"]: m["value"] for m in result["metrics"]}
    assert values["accuracy"] == pytest.approx((logits.argmax(1) == labels).mean(), abs=1e-4)
    assert set(client.ModelCardData(**front).to_dict()) >= {"license", "model-index"}
    shipped = write_hub_folder("tiny", tmp_path / "tiny", "me/tiny")
    tests = yaml.safe_load((shipped / "README.md").read_text().split("---")[1])["model-index"]
    assert [r["dataset"]["name"][:4] for r in tests[0]["results"]] == ["FER+", "FER2"]


@pytest.mark.usefixtures("hub")
def test_what_the_hub_refuses_is_one_line(
    tmp_path: Path, tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = finished_run(tmp_path / "run", tiny)
    with pytest.raises(FerturbError, match=r"can't push to others/x \(403: not yours\); log in"):
        push_to_hub(run.folder, "others/x")
    with pytest.raises(FerturbError, match="a model on the hub is OWNER/NAME, got 'faces'"):
        push_to_hub(run.folder, "faces")
    with pytest.raises(FerturbError, match=r"a model on the hub is OWNER/NAME, got '\.\./etc'"):
        load_pretrained("hf:../etc")
    with pytest.raises(FerturbError, match=r"a model on the hub is OWNER/NAME, got 'clean'"):
        Predictor.from_pretrained("clean")
    for name in ("hf:me/none", "hf:me/none@v2"):
        with pytest.raises(FerturbError, match=r"can't get model.onnx of me/none from the hub"):
            load_pretrained(name)
    monkeypatch.setitem(__import__("sys").modules, "huggingface_hub", None)
    with pytest.raises(FerturbError, match=r"pip install '\S+\[hub\]'"):
        load_pretrained("hf:me/none")


@pytest.mark.usefixtures("hub")
def test_the_command_pushes_or_writes_the_folder(
    tmp_path: Path, tiny: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run = finished_run(tmp_path / "run", tiny)
    main(["push", str(run.folder), "me/faces", "--public"])
    assert "hf:me/faces" in capsys.readouterr().out
    main(["push", str(run.folder), "me/faces", "--folder", str(tmp_path / "out")])
    names = {p.name for p in (tmp_path / "out").iterdir()}
    assert names == {"README.md", "config.json", "model.onnx", "model.safetensors"}
