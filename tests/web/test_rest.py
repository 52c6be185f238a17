"""The API that `ferturb serve` offers."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from ferturb.base.errors import FerturbError
from ferturb.data.drawn.synthetic import draw
from ferturb.predict.predictor import Predictor
from ferturb.predict.shipped import load_pretrained
from ferturb.web.rest import create_api

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
    assert face["face"] == 0


def test_model_head_and_prior_are_chosen_by_the_query(client: TestClient) -> None:
    query = "model=clean&head=label&prior=balanced&cropped=1"
    said = client.post(f"/v1/predict?{query}", content=encoded(FACE), headers=PNG).json()
    model = load_pretrained("clean", threads=1).with_head("label").with_prior("balanced")
    row = model.predict_proba(FACE[None])[0]
    found = list(said["faces"][0]["probabilities"].values())
    np.testing.assert_allclose(found, row, atol=1e-4)
    assert said["prior"] == pytest.approx([1 / 7] * 7)
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
    page = client.get("/docs")
    assert all(p["name"] in page.text for p in predict["parameters"])
    assert client.get("/", follow_redirects=False).headers["location"] == "/docs"
    assert client.get("/docs.css").headers["content-type"].startswith("text/css")


def test_a_server_needs_a_model() -> None:
    with pytest.raises(FerturbError, match="the server needs a model"):
        create_api({})
