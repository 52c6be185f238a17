"""The page without a server: its files, and in Chromium the same answers as the server's page."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from chromium import in_chromium, launched, playwright_api
from exported_page import file_server, runtime
from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.cli.main import main
from ferturb.predict.shipped import load_pretrained
from ferturb.web import runtime as onnxruntime_web
from ferturb.web import static_page
from ferturb.web.answers import Answers, unpacked
from ferturb.web.static_page import MODELS, PAGE, POLICY, export_page
from given_pictures import give
from made_photos import encoded, portrait

CLOSE = 1e-3


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page with a runtime that is none."""
    folder = tmp_path_factory.mktemp("page") / "try"
    with pytest.MonkeyPatch.context() as patch:
        files = dict.fromkeys(onnxruntime_web.FILES, b"a stand-in")
        patch.setattr(static_page, "runtime_files", lambda source: files)
        export_page(folder)
    return folder


def test_every_file_is_kept_and_none_loads_anything_from_elsewhere(stand_in: Path) -> None:
    listing = (stand_in / "sw.js").read_text(encoding="utf-8")
    found = re.search(r"const FILES = (\[.*\]);", listing)
    assert found is not None
    kept = set(json.loads(found[1]))
    there = {p.relative_to(stand_in).as_posix() for p in stand_in.rglob("*") if p.is_file()}
    assert kept - {"./"} == there - {"index.html", "sw.js"}
    assert {"runtime/LICENSE", "runtime/ThirdPartyNotices.txt.gz", "networks/centerface.txt"} < kept
    for path in (stand_in / name for name in there if name.endswith((".js", ".html", ".css"))):
        said = path.read_text(encoding="utf-8")
        assert re.findall(r"(?:https?:)?//[a-z][\w.]*\.[a-z]{2,}", said) == [], path.name
    page = (stand_in / "index.html").read_text(encoding="utf-8")
    assert f'content="{POLICY}"' in page
    assert page.index("Content-Security-Policy") < page.index("<link")
    assert "leave this device" in page
    assert "ferturb app" not in page


def test_the_page_is_the_servers_but_for_what_answers(stand_in: Path) -> None:
    other = {"index.html", "api.js"}
    shared = [p for p in PAGE.rglob("*") if p.is_file() and p.name not in other]
    assert len(shared) > 15
    for path in shared:
        assert (stand_in / path.relative_to(PAGE)).read_bytes() == path.read_bytes()


def test_a_changed_file_changes_the_version(stand_in: Path) -> None:
    kept = {p.name: p.read_bytes() for p in stand_in.glob("*.*")}
    versions = {static_page._listing(kept | {"main.js": b"other"}), static_page._listing(kept)}
    assert len({v.splitlines()[0] for v in versions}) == 2


@pytest.mark.parametrize("make", ["missing", "folder", "file", "changed"])
def test_another_runtime_is_refused_in_one_line(tmp_path: Path, make: str) -> None:
    source = tmp_path / "runtime"
    if make == "folder":
        source.mkdir()
    elif make == "file":
        source.write_bytes(b"no archive")
    elif make == "changed":
        (source / "dist").mkdir(parents=True)
        for name in onnxruntime_web.FILES:
            (source / "dist" / name).write_bytes(b"alert(1)")
    with pytest.raises(FerturbError, match="npm pack onnxruntime-web@") as refused:
        export_page(tmp_path / "page", source)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "page").exists()


def test_without_npm_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for arguments, words in (
        (["--export", str(tmp_path / "page")], "npm is not installed"),
        (["--export", str(tmp_path / "page"), "--model", "tiny"], "leave --model out"),
        (["--runtime", str(tmp_path)], "--runtime is for --export"),
        (["--export", str(Path(__file__).parent)], "not an empty folder"),
    ):
        with pytest.raises(SystemExit) as ended:
            main(["app", *arguments])
        assert ended.value.code
        assert words in " ".join(capsys.readouterr().err.split())


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page") / "try"
    sizes = export_page(folder, runtime())
    assert sum(sizes.values()) == sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    assert sum(sizes.values()) <= 20e6
    return folder


@pytest.fixture(scope="module")
def context(exported: Path) -> Iterator[Any]:
    sync_api = playwright_api()
    with file_server(exported) as address, sync_api.sync_playwright() as playwright:
        browser = launched(playwright)
        context = browser.new_context(base_url=address, reduced_motion="reduce")
        context.set_default_timeout(120_000)
        yield context
        browser.close()


@pytest.fixture(scope="module")
def page(context: Any) -> Any:
    """The page, ready; no error on it, and no request to anywhere else."""
    page = context.new_page()
    page.wrong = []
    page.on("pageerror", lambda error: page.wrong.append(str(error)))
    page.goto("/")
    page.wait_for_selector("body[data-ready]")
    return page


@pytest.fixture(scope="module")
def answers() -> Answers:
    models = {name: load_pretrained(name, 1) for name in MODELS}
    return Answers(models, attention=Path(), threads=1)


def ask(page: Any, what: str, question: dict[str, Any]) -> Any:
    """What the page's own module says, a photo's bytes given as base64."""
    return page.evaluate(
        """async ([what, question]) => {
          const api = await import('/api.js');
          if (what !== 'photo') return api.ask(what, question);
          const data = Uint8Array.from(atob(question.data), (c) => c.charCodeAt(0));
          return api.photo(new Blob([data]), question.cropped);
        }""",
        [what, question],
    )


def looked_at(page: Any, data: bytes, cropped: bool) -> Any:
    text = base64.b64encode(data).decode()
    return ask(page, "photo", {"data": text, "cropped": cropped})


def same(found: Any, expected: Any, close: float = CLOSE) -> None:
    """The same structure and words, numbers to `close`, bytes of faces to one grey level."""
    assert type(found) is type(expected) or {type(found), type(expected)} == {int, float}
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            if key == "face":
                assert np.abs(unpacked(found[key]).astype(int) - unpacked(value)).max() <= 1
            elif key == "box":
                assert found[key] == pytest.approx(value, abs=0.1)
            else:
                same(found[key], value, close)
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            same(one, other, close)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, abs=close)
    else:
        assert found == expected


EXAMPLES = sorted((PAGE / "examples").glob("*.png"))
PHOTOS = {
    "four": encoded(portrait(4)[0]),
    "tilted": encoded(portrait(2, angle=15)[0]),
    "large": encoded(portrait(3, side=700, size=(2600, 1100))[0]),
    "filled": encoded(portrait(1, side=220)[0]),
}


@pytest.mark.slow
@in_chromium
@pytest.mark.parametrize("cropped", [True, False])
def test_the_same_faces_and_answers_as_the_server(
    page: Any, answers: Answers, cropped: bool
) -> None:
    photos = [path.read_bytes() for path in EXAMPLES] if cropped else list(PHOTOS.values())
    faces = 0
    for data in photos:
        found, expected = looked_at(page, data, cropped), answers.photo(data, cropped)
        # Landmarks differ in their last digits, and so may a few pixels of a face that they turn.
        same(found, expected, CLOSE if cropped else 3 * CLOSE)
        faces += len(found["faces"])
        for face in expected["faces"]:
            question = {"face": face["face"], "models": list(MODELS)}
            answered = ask(page, "face", question)["answers"]
            same(answered, face["answers"])
            assert list(answered["tiny"]["probabilities"]) == list(EMOTIONS)
    assert faces == (len(EXAMPLES) if cropped else 10)


@pytest.mark.slow
@in_chromium
def test_the_same_changes_and_saliency_as_the_server(page: Any, answers: Answers) -> None:
    about = answers.about()
    for i, path in enumerate(EXAMPLES[:6]):  # each model with each fill
        text = answers.photo(path.read_bytes(), cropped=True)["faces"][0]["face"]
        question = {"model": MODELS[i % 2], "fill": about["fills"][i % 3]}
        if i < 2:  # either model with a prior
            question |= {"prior": "balanced" if i % 2 else [2, 1, 1, 3, 1, 1, 5]}
        tried = ask(page, "what-if", {"face": text, **question})
        same(tried, answers.what_if(unpacked(text), **question))
        assert len(tried["rows"]) == 16
        change = {"left_out": ["mouth", "brows"], "worn": about["worn"][i % 3], "fill": "blur"}
        now = ask(page, "face", {"face": text, "models": list(MODELS), **change})
        same(now, answers.face(unpacked(text), MODELS, **change))
    found = ask(page, "saliency", {"face": text, "model": "tiny"})
    expected = answers.saliency(unpacked(text), "tiny")
    same(found["peaks"], expected["peaks"])
    for emotion, peak in expected["peaks"].items():
        maps = [unpacked(said["saliency"][emotion]).astype(float) for said in (found, expected)]
        assert np.abs(maps[0] - maps[1]).max() * peak / 255 <= CLOSE + peak / 255


@pytest.mark.slow
@in_chromium
def test_a_picture_given_while_it_loads_is_answered_then(context: Any, exported: Path) -> None:
    gate = threading.Event()
    with file_server(exported, gate) as address:
        early = context.browser.new_context(base_url=address, reduced_motion="reduce")
        early.set_default_timeout(120_000)
        page = early.new_page()
        page.goto("/")
        assert give(page, "drop", "group")
        assert give(page, "paste", "happy")
        page.wait_for_selector("#message:has-text('The models are loading')")
        assert page.locator("body[data-ready]").count() == 0
        gate.set()
        page.wait_for_selector("#result:not([hidden])")
        assert page.locator("#found").inner_text() == "1 face found."
        assert page.locator("#message").inner_text() == ""
        early.close()


@pytest.mark.slow
@in_chromium
def test_nothing_leaves_it(page: Any) -> None:
    send = "() => fetch('http://127.0.0.2:9/', {mode: 'no-cors'}).then(() => 'sent', String)"
    refused: list[str] = []
    page.on("console", lambda said: refused.append(said.text))
    assert "Failed to fetch" in page.evaluate(send)
    (worker,) = page.workers
    assert "Failed to fetch" in worker.evaluate(send)
    page.wait_for_timeout(200)
    assert sum("Content Security Policy" in text for text in refused) >= 2


@pytest.mark.slow
@in_chromium
def test_it_opens_again_without_a_network(context: Any, page: Any) -> None:
    page.evaluate("() => navigator.serviceWorker.ready.then(() => true)")
    context.set_offline(True)
    try:
        again = context.new_page()
        again.goto("/")
        again.wait_for_selector("body[data-ready]")
        again.locator("[data-example=group]").click()
        again.wait_for_selector("#faces button")
        assert again.locator("#found").inner_text().startswith("4 faces found. Choose one.")
        assert again.locator("#once").is_hidden()
        again.close()
    finally:
        context.set_offline(False)


@pytest.mark.slow
@in_chromium
def test_what_cannot_be_read_is_said(page: Any) -> None:
    for data, words in ((b"nonsense", "can’t read the picture"), (b"", "is empty")):
        page.set_input_files("#file", {"name": "a.png", "mimeType": "image/png", "buffer": data})
        page.wait_for_selector(f".error:has-text('{words}')")
    assert page.wrong == []
