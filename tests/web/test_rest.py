"""The API that `ferturb serve` offers."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from ferturb.base.errors import FerturbError
from ferturb.cli.main import main
from ferturb.data.drawn.synthetic import draw
from ferturb.predict.predictor import Predictor
from ferturb.predict.shipped import load_pretrained
from ferturb.web.rest import create_api
from made_photos import portrait

FACE = draw(1, seed=3).images.numpy()[0]
HERE = "http://127.0.0.1:7861"
PNG = {"content-type": "image/png"}


def encoded(image: np.ndarray) -> bytes:
    data = io.BytesIO()
    Image.fromarray(image).save(data, "PNG")
    return data.getvalue()


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    models = {name: load_pretrained(name, threads=1) for name in ("tiny", "clean")}
    with TestClient(create_api(models, threads=1), base_url=HERE) as found:
        yield found


def test_an_image_gets_the_predictors_answer(client: TestClient) -> None:
    said = client.post("/v1/predict?cropped=1", content=encoded(FACE), headers=PNG).json()
    (face,) = said["faces"]
    expected = Predictor(load_pretrained("tiny", threads=1)).predict_faces(FACE[None])[0]
    assert (said["model"], said["head"], said["size"]) == ("tiny", "votes", [48, 48])
    assert face["probabilities"] == expected.to_dict()["probabilities"]
    assert face["face"] == 1


def crowd() -> np.ndarray:
    """Two rows of faces, in a photo that is made smaller to be read."""
    pixels = np.concatenate([portrait(4)[0], np.roll(portrait(4)[0], -70, axis=1)])
    return np.asarray(Image.fromarray(pixels).resize((3300, 1815)))


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ("", ""),
        ("model=clean&head=label", "--model clean --head label"),
        ("prior=balanced&threshold=0.3", "--prior balanced --threshold 0.3"),
        ("threshold=1&cropped=1", "--threshold 1 --cropped"),
    ],
)
def test_the_answer_is_the_command_lines(
    client: TestClient,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    query: str,
    options: str,
) -> None:
    photo = tmp_path / "crowd.png"
    Image.fromarray(crowd()).save(photo)
    command = f"--model tiny {options}" if "--model" not in options else options
    main(["predict", str(photo), "--json", "--threads", "1", *command.split()])
    (expected,) = json.loads(capsys.readouterr().out)
    answer = client.post(f"/v1/predict?{query}", content=photo.read_bytes(), headers=PNG)
    assert expected.pop("name") == str(photo)
    assert answer.json() == expected
    assert list(answer.json()) == list(expected)
    assert expected["faces"]


def test_model_head_and_prior_are_chosen_by_the_query(client: TestClient) -> None:
    query = "model=clean&head=label&prior=balanced&cropped=1"
    said = client.post(f"/v1/predict?{query}", content=encoded(FACE), headers=PNG).json()
    model = load_pretrained("clean", threads=1).with_head("label").with_prior("balanced")
    row = model.predict_proba(FACE[None])[0]
    found = list(said["faces"][0]["probabilities"].values())
    np.testing.assert_allclose(found, row, atol=1e-4)
    numbers = "prior=1,1,1,1,1,1,1&model=clean&head=label&cropped=1"
    again = client.post(f"/v1/predict?{numbers}", content=encoded(FACE), headers=PNG).json()
    assert again["faces"] == said["faces"]
    plain = client.post("/v1/predict?cropped=1", content=encoded(FACE), headers=PNG).json()
    assert plain["head"] == "votes"  # a question changes nothing for the next


@pytest.mark.parametrize(
    ("query", "kind", "status", "said"),
    [
        ("model=nobody", "image/png", 400, "unknown model 'nobody'"),
        ("modle=tiny", "image/png", 400, "unknown parameter 'modle'"),
        ("head=heart", "image/png", 400, "unknown head 'heart'"),
        ("prior=1,2", "image/png", 400, "a prior is wild or balanced"),
        ("threshold=much", "image/png", 400, "threshold must be a number, got 'much'"),
        ("threshold=2", "image/png", 400, "threshold must be a number from 0 to 1"),
        ("cropped=yes", "image/png", 400, "cropped must be 0 or 1"),
        ("", "text/plain", 415, "give an image file"),
    ],
)
def test_what_is_not_understood_is_one_line(
    client: TestClient, query: str, kind: str, status: int, said: str
) -> None:
    headers = {"content-type": kind}
    answer = client.post(f"/v1/predict?{query}", content=encoded(FACE), headers=headers)
    assert answer.status_code == status
    assert said in answer.json()["error"]
    assert "\n" not in answer.json()["error"]


def test_what_is_no_image_is_refused(client: TestClient) -> None:
    answer = client.post("/v1/predict", content=b"not a picture", headers=PNG)
    assert answer.status_code == 400
    assert client.get("/v1/predict").status_code == 405
    foreign = PNG | {"origin": "https://elsewhere.example"}
    assert client.post("/v1/predict", content=encoded(FACE), headers=foreign).status_code == 403


def of_models(api: dict[str, Any]) -> dict[str, Any]:
    """What the description has of each model."""
    answer = api["paths"]["/v1/models"]["get"]["responses"]["200"]
    listed = answer["content"]["application/json"]["schema"]["properties"]["models"]
    return dict(listed["items"]["properties"])


def test_answers_are_as_described(client: TestClient) -> None:
    validate = pytest.importorskip("jsonschema", reason="needs jsonschema").validate
    paths = client.get("/openapi.json").json()["paths"]
    photo = encoded(crowd()[::3, ::3])
    for path, method, answer in (
        ("/v1/models", "get", client.get("/v1/models")),
        ("/v1/predict", "post", client.post("/v1/predict", content=photo, headers=PNG)),
    ):
        described = paths[path][method]["responses"]["200"]["content"]["application/json"]
        validate(answer.json(), described["schema"])


def test_a_name_that_is_allowed_is_answered() -> None:
    app = create_api({"tiny": load_pretrained("tiny", 1)}, "0.0.0.0", 1, ["Faces.lan"])
    assert TestClient(app, base_url="http://faces.lan:7990").get("/v1/models").status_code == 200
    refused = TestClient(app, base_url="http://other.lan:7990").get("/v1/models")
    assert refused.status_code == 403
    assert "--allow-host NAME" in refused.json()["error"]


def test_the_description_names_what_there_is(client: TestClient) -> None:
    api = client.get("/openapi.json").json()
    assert set(api["paths"]) == {"/v1/predict", "/v1/models"}
    predict = api["paths"]["/v1/predict"]["post"]
    said = client.post("/v1/predict?cropped=1", content=encoded(FACE), headers=PNG).json()
    schema = predict["responses"]["200"]["content"]["application/json"]["schema"]["properties"]
    assert set(schema) == set(said)
    assert set(schema["faces"]["items"]["properties"]) == set(said["faces"][0])
    models = client.get("/v1/models").json()["models"]
    assert [m["name"] for m in models] == ["tiny", "clean"]
    assert models[0]["heads"] == ["votes", "label"]
    assert set(models[0]) == set(of_models(api))
    body = predict["requestBody"]["content"]["image/*"]["schema"]
    assert (body["type"], body["format"]) == ("string", "binary")
    assert "numbered as one reads" in predict["responses"]["200"]["description"]
    page = client.get("/docs")
    assert all(p["name"] in page.text for p in predict["parameters"])
    assert client.get("/", follow_redirects=False).headers["location"] == "/docs"
    assert client.get("/docs.css").headers["content-type"].startswith("text/css")


def test_a_server_needs_a_model() -> None:
    with pytest.raises(FerturbError, match="the server needs a model"):
        create_api({})
