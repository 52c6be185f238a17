"""The web page over HTTP: every question, every limit, and what is refused."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from ferturb.base.decode import Limits
from ferturb.base.emotions import EMOTIONS
from ferturb.cli.main import main
from ferturb.data.drawn.synthetic import draw
from ferturb.predict.altering import Alterer
from ferturb.predict.detection import Detections
from ferturb.predict.landmark_finder import LandmarkFinder
from ferturb.predict.shipped import load_pretrained
from ferturb.web import answers, guard
from ferturb.web import server as web
from ferturb.web.occlusion import occlusion_maps
from made_photos import encoded, portrait
from malformed_files import malformed
from served_page import two_models
from without_torch import without_torch

FACES = draw(6, seed=11).images.numpy()
HERE = "http://127.0.0.1:7860"
PNG = {"content-type": "image/png"}


def text(face: np.ndarray) -> str:
    return base64.b64encode(face.tobytes()).decode()


def face_of(said: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(said), np.uint8).reshape(48, 48)


def row(answer: dict[str, dict[str, float]]) -> list[float]:
    return [answer["probabilities"][emotion] for emotion in EMOTIONS]


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    app = web.create_app(two_models(), threads=1)
    with TestClient(app, base_url=HERE, raise_server_exceptions=False) as client:
        yield client


def test_the_page_comes_from_here_alone(client: TestClient) -> None:
    page = client.get("/")
    assert page.status_code == 200
    policy = page.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["cache-control"] == "no-store"
    files = [p for p in web.PAGE.rglob("*") if p.is_file()]
    assert len(files) > 15
    for path in files:
        said = client.get("/" + path.relative_to(web.PAGE).as_posix())
        assert said.status_code == 200
        assert said.content == path.read_bytes()
        if path.suffix in (".html", ".css", ".js"):
            outside = path.read_text(encoding="utf-8").replace("http://www.w3.org/", "")
            assert "http://" not in outside
            assert "https://" not in outside
            assert len(outside.splitlines()) < 300


def test_about(client: TestClient) -> None:
    about = client.get("/api/about").json()
    assert about["emotions"] == list(EMOTIONS)
    assert [m["name"] for m in about["models"]] == ["clean", "unsure"]
    assert about["models"][0]["threshold"] == pytest.approx(
        load_pretrained("clean").about.abstain_below
    )
    assert "clean" not in [m["name"] for m in about["missing"]]
    assert {"mouth", "eyes", "upper_face"} <= set(about["features"])
    assert about["attention"]["accuracy"] > 1 / 7


def test_a_photo_gets_the_predictors_answers(client: TestClient) -> None:
    photo, boxes = portrait(2)
    said = client.post("/api/photo", content=encoded(photo), headers=PNG).json()
    assert said["size"] == [400, 220]
    assert len(said["faces"]) == 2
    clean = load_pretrained("clean", threads=1)
    for face in said["faces"]:
        shown = face_of(face["face"])
        np.testing.assert_allclose(
            row(face["answers"]["clean"]), clean.predict_proba(shown[None])[0], atol=1e-4
        )
        assert set(face["answers"]) == {"clean", "unsure"}
        middle = (face["box"][0] + face["box"][2]) / 2
        assert np.abs(boxes[:, [0, 2]].mean(1) - middle).min() < 15


def test_boxes_are_in_the_shown_photos_pixels(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ferturb.base import decode

    photo, _ = portrait(1)
    monkeypatch.setattr(decode, "LONGEST", 220)
    double = encoded(photo.repeat(2, axis=0).repeat(2, axis=1))
    one, two = (
        client.post("/api/photo", content=data, headers=PNG).json()
        for data in (encoded(photo), double)
    )
    assert two["size"] == [400, 440]
    np.testing.assert_allclose(two["faces"][0]["box"], 2 * np.array(one["faces"][0]["box"]), atol=8)


def test_cropped_drops_nothing_and_keeps_pixels(client: TestClient) -> None:
    said = client.post("/api/photo?cropped=1", content=encoded(FACES[0]), headers=PNG).json()
    assert said["faces"][0]["box"] == [0, 0, 48, 48]
    assert (face_of(said["faces"][0]["face"]) == FACES[0]).all()
    wall = encoded(np.full((90, 120, 3), 128, np.uint8))
    assert client.post("/api/photo", content=wall, headers=PNG).json()["faces"] == []
    assert len(client.post("/api/photo?cropped=1", content=wall, headers=PNG).json()["faces"]) == 1


def test_at_most_a_hundred_faces() -> None:
    boxes = np.tile(np.array([[5, 5, 95, 95]], np.float32), (130, 1))
    scores = np.linspace(0.99, 0.6, 130).astype(np.float32)
    app = web.create_app(
        {"clean": load_pretrained("clean", threads=1)},
        detector=lambda pixels: Detections(boxes, scores),
        attention=Path("nowhere.onnx"),
        threads=1,
    )
    with TestClient(app, base_url=HERE) as client:
        photo, _ = portrait(1, side=90, size=(100, 100))
        said = client.post("/api/photo", content=encoded(photo), headers=PNG).json()
        found = [face["score"] for face in said["faces"]]
        assert found == pytest.approx(scores[:100], abs=1e-4)
        about = client.get("/api/about").json()
        assert about["attention"] is None
        none = client.post("/api/attention", json={"face": text(FACES[0])}).json()
        assert none == {"attention": None, "clusters": None}


def test_a_changed_face_and_what_the_models_say_of_it(client: TestClient) -> None:
    face, points = FACES[3], LandmarkFinder(1)(FACES[3:4]).points[0]
    ask = {"face": text(face), "models": ["clean", "unsure"]}
    same = client.post("/api/face", json=ask).json()
    assert (face_of(same["face"]) == face).all()
    alterer, clean = Alterer(1), load_pretrained("clean", threads=1)
    worn = alterer.worn(face, points, "surgical")
    expected = alterer.left_out(worn, points, [("eyes", "mouth")], "black")[0]
    change = {"left_out": ["mouth", "eyes"], "worn": "surgical", "fill": "black"}
    said = client.post("/api/face", json=ask | change).json()
    assert (face_of(said["face"]) == expected).all()
    probabilities = clean.predict_proba(expected[None])[0]
    np.testing.assert_allclose(row(said["answers"]["clean"]), probabilities, atol=1e-4)
    sure = probabilities.max() >= clean.about.abstain_below
    answer = said["answers"]["clean"]
    assert answer["most_probable"] == EMOTIONS[int(probabilities.argmax())]
    assert answer["emotion"] == (answer["most_probable"] if sure else None)


def test_what_if_is_each_change_alone(client: TestClient) -> None:
    question = {"face": text(FACES[3]), "model": "unsure", "fill": "blur"}
    said = client.post("/api/what-if", json=question).json()
    names = [(r["change"], r["name"]) for r in said["rows"]]
    about = client.get("/api/about").json()
    assert names == [
        *(("left_out", name) for name in about["features"]),
        *(("worn", kind) for kind in about["worn"]),
    ]
    for wanted in (("left_out", "mouth"), ("worn", "cloth")):
        found = said["rows"][names.index(wanted)]
        change = {"left_out": ["mouth"]} if wanted[0] == "left_out" else {"worn": "cloth"}
        alone = client.post(
            "/api/face",
            json={"face": text(FACES[3]), "models": ["unsure"], "fill": "blur"} | change,
        ).json()
        assert found["face"] == alone["face"]
        np.testing.assert_allclose(row(found), row(alone["answers"]["unsure"]), atol=1e-4)


@pytest.mark.parametrize("prior", ["balanced", [5, 1, 1, 2, 1, 3, 4]])
def test_answers_for_another_prior(client: TestClient, prior: str | list[float]) -> None:
    clean = load_pretrained("clean", threads=1)
    assert client.get("/api/about").json()["models"][0]["prior"] == list(clean.about.prior)
    asked = prior if isinstance(prior, str) else ",".join(map(str, prior))
    photo = encoded(FACES[1])
    address = f"/api/photo?cropped=1&prior={asked}"
    (found,) = client.post(address, content=photo, headers=PNG).json()["faces"]
    face = face_of(found["face"])
    expected = clean.with_prior(prior).predict_proba(face[None])[0]
    assert np.abs(expected - clean.predict_proba(face[None])[0]).max() > 0.01
    np.testing.assert_allclose(row(found["answers"]["clean"]), expected, atol=1e-4)
    question = {"face": found["face"], "model": "clean", "models": ["clean"], "prior": prior}
    for what, key in (("face", "answers"), ("what-if", "before")):
        said = client.post(f"/api/{what}", json=question).json()[key]
        np.testing.assert_allclose(row(said.get("clean", said)), expected, atol=1e-4)
    peaks = client.post("/api/saliency", json=question).json()["peaks"]
    maps = occlusion_maps(clean.with_prior(prior).predict_proba, face)
    assert list(peaks.values()) == pytest.approx([m.max() for m in maps], abs=1e-6)


def test_a_photo_for_no_prior_is_refused(client: TestClient) -> None:
    said = client.post("/api/photo?prior=tame", content=encoded(FACES[0]), headers=PNG)
    assert (said.status_code, said.json()["error"][:20]) == (400, "unknown prior 'tame'")


def test_saliency_and_attention(client: TestClient) -> None:
    said = client.post("/api/saliency", json={"face": text(FACES[2])}).json()
    assert set(said["saliency"]) == set(said["peaks"]) == set(EMOTIONS)
    maps = {e: face_of(m) for e, m in said["saliency"].items()}
    assert all((maps[e].max() == 255) == (p > 0) for e, p in said["peaks"].items())
    looks = client.post("/api/attention", json={"face": text(FACES[2]), "clusters": 4}).json()
    assert set(np.unique(face_of(looks["clusters"]))) == {0, 1, 2, 3}
    assert face_of(looks["attention"]).max() == 255


@pytest.mark.parametrize(
    ("path", "question", "message"),
    [
        ("face", {}, '"face" must be 2304 bytes'),
        ("face", {"face": "AAAA"}, '"face" must be 2304 bytes'),
        ("face", {"face": 7}, '"face" must be 2304 bytes'),
        ("face", {"face": "é" * 3072}, '"face" must be 2304 bytes'),
        ("face", {"left_out": ["ear"]}, "unknown facial feature 'ear'"),
        ("face", {"left_out": "mouth"}, '"left_out" must be a list of words'),
        ("face", {"left_out": [["mouth"]]}, '"left_out" must be a list of words'),
        ("face", {"left_out": ["mouth"], "fill": "glitter"}, "unknown fill 'glitter'"),
        ("face", {"worn": "veil"}, "unknown kind of face mask 'veil'"),
        ("face", {"worn": 3}, '"worn" must be a word'),
        ("face", {"models": ["nobody"]}, "unknown model 'nobody'"),
        ("what-if", {"model": "../clean"}, "unknown model '../clean'"),
        ("saliency", {"model": None}, '"model" must be a word'),
        ("face", {"prior": "tame"}, "unknown prior 'tame'"),
        ("face", {"prior": [1, 2]}, "a prior is wild or balanced, or 7 numbers above 0"),
        ("face", {"prior": [1, 1, 1, 0, 1, 1, 1]}, "a prior is wild or balanced, or 7 numbers"),
        ("face", {"prior": [1e308] * 7}, "a prior is wild or balanced, or 7 numbers above 0"),
        ("what-if", {"prior": [[1]] * 7}, "a prior is wild or balanced, or 7 numbers above 0"),
        ("saliency", {"prior": 7}, '"prior" must be a word'),
        ("attention", {"clusters": 0}, "the number of clusters must be 1"),
        ("attention", {"clusters": "3"}, '"clusters" must be a whole number'),
        ("attention", {"clusters": True}, '"clusters" must be a whole number'),
        ("attention", {"clusters": 10**30}, "the number of clusters must be 1"),
    ],
)
def test_questions_that_make_no_sense(
    client: TestClient, path: str, question: dict[str, object], message: str
) -> None:
    whole = question if not question or "face" in question else {"face": text(FACES[0])} | question
    said = client.post(f"/api/{path}", json=whole)
    assert said.status_code == 400
    error = said.json()["error"]
    assert error.startswith(message)
    assert "\n" not in error


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"\xff\xfe", b"[" * 50_000, b'"x"', b"NaN"])
def test_what_is_no_json_object(client: TestClient, body: bytes) -> None:
    said = client.post("/api/face", content=body, headers={"content-type": "application/json"})
    assert (said.status_code, list(said.json())) == (400, ["error"])


def test_methods_types_and_paths(client: TestClient) -> None:
    data = encoded(FACES[0])
    assert client.get("/api/photo").status_code == 405
    assert client.get("/api/nothing").status_code == 404
    assert client.get("/../answers.py").status_code == 404
    assert client.get("/%2e%2e/answers.py").status_code == 404
    assert client.get("/examples/").status_code == 404
    for kind in ("text/html", "multipart/form-data; boundary=x", "application/json", ""):
        said = client.post("/api/photo", content=data, headers={"content-type": kind})
        assert (said.status_code, "image" in said.json()["error"]) == (415, True)
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/json5"):
        said = client.post("/api/face", content=b"{}", headers={"content-type": kind})
        assert said.status_code == 415
    for kind in ("Application/JSON", "APPLICATION/JSON; charset=utf-8"):
        said = client.post("/api/face", content=b"{}", headers={"content-type": kind})
        assert said.status_code == 400  # its type is right, and there is no face in it
    assert client.post("/api/photo?cropped=yes", content=data, headers=PNG).status_code == 400


def test_foreign_names_and_websites_are_refused(client: TestClient) -> None:
    question = {"face": text(FACES[0])}
    for headers in (
        {"host": "evil.example"},
        {"origin": "http://evil.example"},
        {"sec-fetch-site": "cross-site", "sec-fetch-mode": "cors"},
    ):
        said = client.post("/api/face", json=question, headers=headers)
        assert said.status_code == 403
        assert "content-security-policy" in said.headers
        assert client.get("/", headers=headers).status_code == 403
    assert client.post("/api/face", json=question, headers={"origin": HERE}).status_code == 200


def test_size_is_bounded_before_anything_is_kept(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = Limits(bytes=5000, pixels=10_000, frames=1)
    monkeypatch.setattr(web, "UPLOAD", small)
    app: Any = client.app
    monkeypatch.setattr(app.state.answers._predictor, "limits", small)
    over = client.post("/api/photo", content=bytes(5001), headers=PNG)
    assert (over.status_code, over.json()["error"]) == (413, "over 4 KiB; make the file smaller")

    many = client.post("/api/photo", content=encoded(np.zeros((120, 120), np.uint8)), headers=PNG)
    assert many.status_code == 400
    assert "120×120 are 0.014 megapixels" in many.json()["error"]
    long = json.dumps({"face": "A" * web.QUESTION})
    said = client.post("/api/face", content=long, headers={"content-type": "application/json"})
    assert said.status_code == 413


def test_a_full_queue_says_come_back() -> None:
    busy = web.create_app({"clean": load_pretrained("clean", threads=1)}, threads=1)
    busy.state.queue = guard.Queue(slots=0)
    with TestClient(busy, base_url=HERE) as other:
        said = other.post("/api/face", json={"face": text(FACES[0])})
        assert (said.status_code, said.headers["retry-after"]) == (503, "1")
        assert other.get("/").status_code == 200


def test_an_unforeseen_failure_is_one_line_too(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*arguments: object) -> None:
        raise ValueError("secret pixels")

    monkeypatch.setattr(answers.Answers, "face", fail)
    said = client.post("/api/face", json={"face": text(FACES[0])})
    assert said.status_code == 500
    assert said.json() == {"error": "something went wrong in the server"}


def test_malformed_files_are_clear_errors(client: TestClient) -> None:
    statuses = set()
    for data in malformed(300):
        said = client.post("/api/photo?cropped=1", content=data, headers=PNG)
        statuses.add(said.status_code)
        if said.status_code != 200:
            error = said.json()["error"]
            assert error
            assert "\n" not in error
            assert len(error) < 300
    assert statuses == {200, 400}
    assert client.get("/api/about").status_code == 200


def test_nothing_is_written_or_said(
    client: TestClient,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    photo, _ = portrait(1)
    client.post("/api/photo", content=encoded(photo), headers=PNG)
    client.post("/api/photo", content=b"x" * 3_000_000, headers=PNG)
    assert list(tmp_path.rglob("*")) == []
    assert capfd.readouterr() == ("", "")


def test_it_runs_without_torch() -> None:
    code = (
        "import json, base64\n"
        "from starlette.testclient import TestClient\n"
        "from ferturb.web.server import available, create_app\n"
        f"c = TestClient(create_app(available('clean'), threads=1), base_url={HERE!r})\n"
        "f = base64.b64encode(bytes(i % 251 for i in range(2304))).decode()\n"
        "for path in ('face', 'what-if', 'saliency', 'attention'):\n"
        "    said = c.post('/api/' + path, json={'face': f})\n"
        "    assert said.status_code == 200, said.text\n"
    )
    done = without_torch(code=code)
    assert done.returncode == 0, done.stderr


def test_a_port_that_is_taken_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(SystemExit) as stopped:
            main(["app", "--no-browser", "--port", str(taken.getsockname()[1])])
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert "can't listen on 127.0.0.1" in said
    assert said.count("\n") == 1


def test_the_model_to_start_with_comes_first(tmp_path: Path) -> None:
    import shutil

    from ferturb.predict.shipped import FOLDER

    path = tmp_path / "mine.onnx"
    shutil.copy(FOLDER / "clean.onnx", path)
    shutil.copy(FOLDER / "clean.safetensors", tmp_path)
    assert list(web.available(path, 1))[:2] == ["mine.onnx", "clean"]
    assert next(iter(web.available("clean", 1))) == "clean"
