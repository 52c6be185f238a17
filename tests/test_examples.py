"""The exported file in other languages: JavaScript gives the same answers, C++ has no error."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from PIL import Image

from exported_page import runtime
from ferturb.base.decode import face_of
from ferturb.base.emotions import EMOTIONS
from ferturb.predict.shipped import load_pretrained
from ferturb.web.runtime import FILES
from ferturb.web.static_page import PAGE
from needed_tools import needs

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"
DECLARED = Path(__file__).with_name("helpers") / "onnxruntime_declared"

if not EXAMPLES.is_dir():
    pytest.skip("the examples are in a checkout only", allow_module_level=True)

IN_NODE = "ort-wasm-simd-threaded.mjs"
"""What onnxruntime-web loads beside `FILES` where there is no browser."""
in_node = needs("node")


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """predict.mjs where onnxruntime-web is installed, beside an exported file and a drawn face."""
    from ferturb.export.onnx import export

    folder = tmp_path_factory.mktemp("bench")
    package = folder / "node_modules" / "onnxruntime-web"
    with tarfile.open(runtime()) as archive:
        for name in ("package.json", *(f"dist/{name}" for name in (*FILES, IN_NODE))):
            kept = archive.extractfile(f"package/{name}")
            assert kept is not None
            (package / name).parent.mkdir(parents=True, exist_ok=True)
            (package / name).write_bytes(kept.read())
    shutil.copy(EXAMPLES / "predict.mjs", folder)
    export("tiny", folder / "tiny.onnx")
    Image.fromarray(face_of(Image.open(PAGE / "examples" / "happy.png"))).save(folder / "face.pgm")
    return folder


def node(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = ["node", "predict.mjs", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.mark.slow
@in_node
def test_javascript_gives_the_models_answers(bench: Path) -> None:
    done = node(bench, "tiny.onnx", "face.pgm")
    assert done.returncode == 0, done.stderr[-500:]
    said = {name: float(share) for name, share in map(str.split, done.stdout.splitlines())}
    face = face_of(Image.open(bench / "face.pgm"))
    (expected,) = load_pretrained("tiny", 1).predict_proba(face[None])
    assert list(said) == list(EMOTIONS)
    assert list(said.values()) == pytest.approx(expected.tolist(), abs=1e-5)


@pytest.mark.slow
@in_node
def test_javascript_refuses_what_is_no_face(bench: Path) -> None:
    (bench / "wrong.pgm").write_bytes(b"P5 2 2 255\n0000")
    assert "wrong.pgm is no 48x48 P5 image" in node(bench, "tiny.onnx", "wrong.pgm").stderr
    assert "usage: node predict.mjs" in node(bench).stderr


@pytest.mark.parametrize("program", ["predict.cpp", "predict.mjs"])
def test_the_emotions_and_names_are_ours(program: str) -> None:
    text = (EXAMPLES / program).read_text(encoding="utf-8")
    assert json.dumps(list(EMOTIONS))[1:-1] in text
    for name in ("faces", "probabilities"):
        assert name in text
    assert len(text.splitlines()) <= 36


@needs("g++")
def test_cpp_has_no_error_of_syntax_or_type(tmp_path: Path) -> None:
    """Against what it uses of onnxruntime, declared as documented: no package has the header."""
    check = ["g++", "-std=c++17", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-pedantic"]
    check += ["-I", str(DECLARED)]
    program = EXAMPLES / "predict.cpp"
    done = subprocess.run([*check, program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    wrong = tmp_path / "wrong.cpp"
    wrong.write_text(program.read_text("utf-8").replace("GetTensorData<float>", "GetTensor<float>"))
    assert subprocess.run([*check, wrong], capture_output=True, check=False).returncode != 0
