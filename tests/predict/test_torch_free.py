"""The predictor on a machine without torch: its import is blocked, and everything goes on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from ferturb.data.drawn.synthetic import draw
from made_photos import encoded, portrait
from without_torch import HEAVY, without_torch


def test_predict_works_without_torch(tmp_path: Path) -> None:
    photo, _ = portrait(2)
    (tmp_path / "photo.png").write_bytes(encoded(photo))
    done = without_torch("predict", str(tmp_path / "photo.png"), "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found) == 1
    assert len(found[0]["faces"]) == 2
    assert abs(sum(found[0]["faces"][0]["probabilities"].values()) - 1) < 1e-3


def test_cropped_and_annotated_too(tmp_path: Path) -> None:
    path = tmp_path / "face.png"
    path.write_bytes(encoded(draw(1, seed=1).images.numpy()[0]))
    out = tmp_path / "out"
    done = without_torch("predict", str(path), "--cropped", "--annotate", str(out))
    assert done.returncode == 0, done.stderr
    assert "1 face" in done.stdout
    assert len(list(out.glob("*face.png"))) == 1


def test_what_needs_torch_says_so_in_one_line() -> None:
    for arguments in (("train",), ("data", "info", "synthetic"), ("export", "--out", "a.onnx")):
        done = without_torch(*arguments)
        assert done.returncode == 2, done.stderr
        assert len(done.stderr.strip().splitlines()) == 1
        assert "pip install 'ferturb[train]'" in done.stderr


def test_the_library_path_loads_nothing_heavy() -> None:
    code = (
        "import sys, json, numpy as np, ferturb\n"
        "model = ferturb.load_pretrained('clean')\n"
        "model.predict_proba(np.zeros((1, 48, 48), np.uint8))\n"
        "ferturb.Predictor(model).predict([np.zeros((99, 99), np.uint8)])\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(json.loads(done.stdout)).isdisjoint(HEAVY)
