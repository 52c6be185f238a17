"""The web page in a real headless Chromium: what a person does with it."""

from __future__ import annotations

import io
import re
import wave
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from chromium import in_chromium, launched, playwright_api
from ferturb.base.emotions import EMOTIONS
from ferturb.web import server as web
from given_pictures import give
from made_photos import encoded, portrait
from served_page import serving, two_models

sync_api = playwright_api()
pytestmark = [pytest.mark.slow, in_chromium]
expect = sync_api.expect
Open = Callable[..., Any]
RESULT = "#result:not([hidden])"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    expect.set_options(timeout=20_000)
    with sync_api.sync_playwright() as playwright:
        browser = launched(
            playwright, "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def two() -> Iterator[str]:
    app = web.create_app(two_models(), threads=1)
    app.state.answers.warm()
    with serving(app) as address:
        yield address


def watched(page: Any) -> Any:
    """A tab that notes every error, and every request to another place than `page.here`."""
    page.here, page.wrong = "", []
    page.on("pageerror", lambda error: page.wrong.append(str(error)))
    page.on(
        "request",
        lambda r: None if r.url.startswith((page.here, "blob:")) else page.wrong.append(r.url),
    )
    return page


@pytest.fixture(scope="module")
def plain(browser: Any) -> Any:
    """The tab of all tests that want nothing special: a new one takes longer than most of them."""
    return watched(browser.new_context(reduced_motion="reduce").new_page())


@pytest.fixture
def opened(browser: Any, plain: Any, two: str) -> Iterator[Open]:
    """Opens the page; afterwards there must be no error and no request to anywhere else."""
    pages = []

    def open_page(width: int = 1280, height: int = 860, address: str = two, **options: Any) -> Any:
        size = {"width": width, "height": height}
        if options:
            context = browser.new_context(viewport=size, reduced_motion="reduce", **options)
            page = watched(context.new_page())
        else:
            page = plain
            page.set_viewport_size(size)
            page.mouse.move(0, 0)
        pages.append(page)
        page.here, page.wrong = address, []
        page.goto(address)
        expect(page.locator("body[data-ready]")).to_be_attached()
        return page

    yield open_page
    wrong = [what for page in pages for what in page.wrong]
    for page in pages:
        if page is plain:
            page.goto("about:blank")
        else:
            page.context.close()
    assert wrong == []


def upload(page: Any, data: bytes, name: str = "photo.png", kind: str = "image/png") -> None:
    page.set_input_files("#file", {"name": name, "mimeType": kind, "buffer": data})


def numbers(page: Any, model: str = "clean") -> list[int]:
    """The percentages of a model's bars."""
    found = page.locator(f'.answer[data-model="{model}"] .number').all_inner_texts()
    return [int(text.split()[0]) for text in found]


def fits(page: Any) -> bool:
    width: int = page.evaluate("document.documentElement.scrollWidth")
    inner: int = page.evaluate("innerWidth")
    return width <= inner


def test_upload_switch_and_back(opened: Open) -> None:
    page = opened()
    expect(page.locator("#result")).to_be_hidden()
    upload(page, encoded(portrait(1)[0]))
    expect(page.locator(RESULT)).to_be_visible()
    expect(page.locator("#found")).to_have_text("1 face found.")
    expect(page.locator("#boxes button")).to_have_count(1)
    expect(page.locator("#shown")).to_be_visible()
    before = numbers(page)
    assert len(before) == len(EMOTIONS)
    assert abs(sum(before) - 100) <= 4
    expect(page.locator(".before")).to_have_count(0)
    page.get_by_role("switch", name="lower face").check()
    expect(page.locator(".before")).to_have_count(7)
    after = numbers(page)
    assert after != before
    changes = page.locator(".change").all_inner_texts()
    for was, now, said in zip(before, after, changes, strict=True):
        points = re.sub(r"[^\d−]", "", said).replace("−", "-")
        assert abs(int(points or 0) - (now - was)) <= 1
    expect(page.locator("#live")).to_contain_text("Without lower face")
    page.get_by_role("radio", name="surgical").check()
    expect(page.locator("#live")).to_contain_text("surgical face mask")
    page.get_by_role("button", name="Show the whole face").click()
    expect(page.locator(".before")).to_have_count(0)
    assert numbers(page) == before


def test_it_says_what_it_does_not_know_and_what_is_hidden(opened: Open) -> None:
    page = opened()
    page.locator("[data-example=happy]").click()
    said = re.compile(r"^Happy about \d+ of ten people would say so$")
    expect(page.locator(".verdict")).to_have_text(said)
    upload(page, encoded(np.full((150, 200, 3), 120, np.uint8)))
    page.get_by_role("button", name="Take it as a cropped face").click()
    expect(page.locator(".verdict")).to_have_text("It doesn’t know")
    expect(page.locator(".why")).to_have_text(
        re.compile(r"^Best guess: \w+, about \d+ of ten people would say so\. It answers")
    )
    expect(page.locator("#live")).to_contain_text("It doesn’t know")
    expect(page.locator(".caution")).to_contain_text("Expressions are not feelings")


def test_what_if_tries_everything_and_shows_one(opened: Open) -> None:
    page = opened()
    page.locator("[data-example=happy]").click()
    page.get_by_role("button", name="Try every feature").click()
    rows = page.locator(".tried tbody tr")
    expect(rows).to_have_count(16)
    falls = [row.locator("td").nth(4).inner_text() for row in rows.all()]
    values = [int(text.replace("−", "-").replace("·", "0")) for text in falls]
    assert values == sorted(values)
    assert values[0] < -30
    page.get_by_role("button", name="without mouth").click()
    expect(page.get_by_role("switch", name="mouth")).to_be_checked()
    expect(page.locator(".before")).to_have_count(7)
    row = page.locator("tr", has=page.get_by_role("button", name="without mouth"))
    happy = page.locator('.bars tr[data-emotion="happy"] .change').inner_text()
    assert happy.split()[-1] == row.locator("td").nth(4).inner_text()


def test_the_frequencies_assumed_are_said_and_can_be_chosen(opened: Open) -> None:
    page = opened()
    page.locator("[data-example=happy]").click()
    page.get_by_role("switch", name="lower face").check()
    expect(page.locator(".before")).to_have_count(7)
    shown, before = page.locator("#answers").inner_text(), numbers(page)
    assumed = page.locator("#assumed")
    expect(assumed).to_contain_text("photos of the web: 36\u00a0% neutral, 25\u00a0% happy")
    page.locator("#prior").select_option("balanced")
    expect(assumed).to_contain_text("as frequent as any other")
    page.wait_for_function(
        "(shown) => document.querySelector('#answers').innerText !== shown", arg=shown
    )
    assert numbers(page) != before
    expect(page.get_by_role("switch", name="lower face")).to_be_checked()
    page.locator("#prior").select_option("own")
    own = page.locator("#shares input")
    expect(own).to_have_count(7)
    own.nth(EMOTIONS.index("happy")).fill("100000")
    own.nth(0).click()
    expect(page.locator(".verdict")).to_contain_text("Happy")
    expect(assumed).to_contain_text("100\u00a0% happy")
    own.nth(0).fill("0")
    own.nth(1).click()
    expect(page.locator("#message")).to_contain_text("must be above 0")
    for place in range(7):
        own.nth(place).fill("1e308")
    own.nth(1).click()
    expect(page.locator("#message")).to_contain_text("numbers are too large")


def test_two_models_side_by_side(opened: Open) -> None:
    page = opened()
    page.locator("[data-example=happy]").click()
    page.get_by_role("switch", name="Compare side by side").check()
    expect(page.locator(".answer")).to_have_count(2)
    boxes = [page.locator(".answer").nth(i).bounding_box() for i in range(2)]
    assert boxes[0]["y"] == boxes[1]["y"]
    assert boxes[0]["x"] < boxes[1]["x"]
    assert max(numbers(page)) > max(numbers(page, "unsure"))
    page.get_by_role("switch", name="Compare side by side").uncheck()
    page.locator("#model").select_option("unsure")
    expect(page.locator('.answer[data-model="unsure"]')).to_be_visible()
    expect(page.locator(".answer")).to_have_count(1)


def test_three_models_share_their_rows(opened: Open) -> None:
    two = two_models()
    with serving(web.create_app({**two, "third": two["unsure"]}, threads=1)) as address:
        page = opened(address=address)
        page.locator("[data-example=happy]").click()
        page.get_by_role("switch", name="Compare side by side").check()
        page.get_by_role("switch", name="mouth", exact=True).check()
        expect(page.locator(".before")).to_have_count(21)
        tops = {
            model.locator(f'.bars tr[data-emotion="{e}"]').bounding_box()["y"]
            for model in page.locator(".answer").all()
            for e in ("angry", "neutral")
        }
        assert len(tops) == 2
        assert page.locator(".answer th", has_text="neutral").count() == 3
        assert fits(page)


def test_one_model_has_nothing_to_compare_with(opened: Open) -> None:
    clean = {"clean": two_models()["clean"]}
    with serving(web.create_app(clean, threads=1)) as address:
        page = opened(address=address)
        page.locator("[data-example=sad]").click()
        expect(page.locator("#one-model")).to_contain_text("One model is here: clean")
        expect(page.locator("#compare")).to_be_hidden()


def test_overlays_change_the_picture_and_say_what_they_are(opened: Open) -> None:
    page = opened()
    page.locator("[data-example=surprise]").click()
    expect(page.locator(RESULT)).to_be_visible()
    seen = {page.evaluate("document.querySelector('#face').toDataURL()")}
    for name, words in (
        (
            "what speaks for it",
            "Orange: what speaks for surprise. Covering these pixels lowers clean",
        ),
        ("pieces it is cut into", "K-means over place and attention"),
        ("where a network looks", "a separate attention network"),
    ):
        page.get_by_role("radio", name=name, exact=True).check()
        expect(page.locator("#legend")).to_contain_text(words)
        seen.add(page.evaluate("document.querySelector('#face').toDataURL()"))
    assert len(seen) == 4
    page.get_by_role("radio", name="nothing").check()
    expect(page.locator("#legend")).to_have_text("")


def test_no_face_then_taken_as_one(opened: Open) -> None:
    page = opened()
    upload(page, encoded(np.full((150, 200, 3), 120, np.uint8)))
    expect(page.get_by_role("alert")).to_contain_text("No face was found")
    expect(page.locator("#result")).to_be_hidden()
    page.get_by_role("button", name="Take it as a cropped face").click()
    expect(page.locator(RESULT)).to_be_visible()
    expect(page.get_by_label("It is a cropped face already")).to_be_checked()
    expect(page.locator("#found")).to_have_text("Taken as one face.")


def test_many_faces_to_choose_from(opened: Open) -> None:
    page = opened()
    upload(page, encoded(portrait(4)[0]))
    picks = page.locator("#faces button")
    expect(picks).to_have_count(4)
    expect(page.locator("#found")).to_contain_text("4 faces found. Choose one.")
    first = numbers(page)
    picks.nth(2).click()
    expect(picks.nth(2)).to_have_attribute("aria-pressed", "true")
    expect(picks.nth(0)).to_have_attribute("aria-pressed", "false")
    assert numbers(page) != first
    page.locator("#boxes button").first.click()
    expect(picks.nth(0)).to_have_attribute("aria-pressed", "true")
    assert numbers(page) == first


def crowd(rows: int = 3) -> bytes:
    """A group photo: rows of seven drawn faces, most of which the detector knows for faces."""
    return encoded(np.concatenate([portrait(7)[0]] * rows))


@pytest.mark.parametrize(("width", "height"), [(1280, 860), (390, 844)])
def test_every_face_of_a_crowd_has_its_answer_in_sight(
    opened: Open, width: int, height: int
) -> None:
    page = opened(width, height)
    upload(page, crowd())
    expect(page.locator("#found")).to_contain_text("faces found")
    found, *counted = map(int, re.findall(r"\d+", page.locator("#found").inner_text()))
    assert found > 16
    assert sum(counted) == found
    shown = page.locator("#faces button")
    expect(shown).to_have_count(found)
    for i, button in enumerate(shown.all()):
        said = " ".join(button.inner_text().split())
        assert re.fullmatch(rf"{i + 1} (\? )?[a-z]+ \d+ %", said), said
    assert page.locator("#faces").evaluate("e => e.scrollHeight <= e.clientHeight")
    # Numbered as one reads: in a row from left to right, then the next row.
    places = [box.bounding_box() for box in page.locator("#boxes button").all()]
    for one, other in pairwise(places):
        lower = other["y"] > one["y"] + one["height"]
        assert lower or other["x"] > one["x"]
    assert places[-1]["y"] > places[0]["y"] + places[0]["height"]
    assert fits(page)


def test_a_sentence_says_what_a_change_did(opened: Open) -> None:
    page = opened()
    page.locator("[data-example=happy]").click()
    expect(page.locator(".why")).to_have_text("")
    page.get_by_role("switch", name="mouth").check()
    page.get_by_role("switch", name="brows").check()
    page.get_by_role("radio", name="surgical").check()
    why = page.locator(".why")
    expect(why).to_contain_text("Under a surgical face mask, without the brows and the mouth, it ")
    verdict = page.locator(".verdict").inner_text()
    now = "no longer knows" if "know" in verdict else verdict.split()[0].lower()
    expect(why).to_contain_text(now)
    page.get_by_role("button", name="Try every feature").click()
    expect(page.locator(".told .plain")).to_have_text(re.compile("happy loses most: [1-9]"))


@pytest.mark.parametrize("emotion", ["happy", "surprise", "sad"])
def test_the_sentence_on_what_counts_most_says_what_the_table_does(
    opened: Open, emotion: str
) -> None:
    page = opened()
    page.locator(f"[data-example={emotion}]").click()
    page.get_by_role("button", name="Try every feature").click()
    told = page.locator(".told .plain")
    expect(told).to_contain_text(re.compile(f"{emotion} loses most: [1-9]"))
    said = int(told.inner_text().split("most: ")[1].split()[0])
    names = page.locator(".told thead th").all_inner_texts()
    cells = page.locator(".told tbody tr").first.locator("th, td").all_inner_texts()
    assert cells[names.index(emotion)] == f"−{said}"


def test_before_and_after_can_be_kept_as_a_picture(opened: Open, tmp_path: Path) -> None:
    page = opened()
    page.locator("[data-example=happy]").click()
    expect(page.locator(RESULT)).to_be_visible()
    expect(page.locator("#save")).to_be_hidden()
    page.get_by_role("switch", name="mouth").check()
    with page.expect_download() as kept:
        page.get_by_role("button", name="Save before and after").click()
    assert kept.value.suggested_filename == "ferturb-without-mouth.png"
    kept.value.save_as(tmp_path / "pair.png")
    pixels = np.asarray(Image.open(tmp_path / "pair.png").convert("L")).astype(int)
    before, after = (pixels[48:720, left : left + 672] for left in (48, 768))
    changed = np.abs(before - after).mean(1)
    assert changed[:250].max() == 0  # above the mouth
    assert changed[400:].max() > 5


def test_a_video_file_gives_a_frame_or_a_clear_word(opened: Open, tmp_path: Path) -> None:
    page = opened()
    record = """async () => {
      const image = await createImageBitmap(await (await fetch('examples/group.png')).blob());
      const canvas = Object.assign(document.createElement('canvas'), {width: 640, height: 260});
      const stream = canvas.captureStream(20), parts = [];
      const recorder = new MediaRecorder(stream, {mimeType: 'video/webm'});
      recorder.ondataavailable = (event) => parts.push(event.data);
      recorder.start();
      for (let i = 0; i < 12; i++) {
        canvas.getContext('2d').drawImage(image, 0, 0);
        await new Promise((done) => setTimeout(done, 50));
      }
      await new Promise((done) => { recorder.onstop = done; recorder.stop(); });
      const data = new DataTransfer();
      data.items.add(new File(parts, 'group.webm', {type: 'video/webm'}));
      document.dispatchEvent(new DragEvent('drop', {dataTransfer: data, bubbles: true}));
    }"""
    page.evaluate(record)
    expect(page.locator("#camera-dialog")).to_be_visible()
    expect(page.locator("#camera-title")).to_have_text("Go to a frame and take it")
    page.wait_for_function("document.querySelector('#video').videoWidth > 0")
    page.get_by_role("button", name="Take it", exact=True).click()
    expect(page.locator("#found")).to_contain_text("4 faces found")
    for unknown in (b"no video", mpeg4_part_2(tmp_path / "a.mp4"), sound()):
        upload(page, unknown, "holiday.mp4", "video/mp4")
        expect(page.get_by_role("alert")).to_contain_text("save it as MP4 with H.264 (AVC)")
        expect(page.locator("#camera-dialog")).to_be_hidden()
        upload(page, encoded(portrait(1)[0]))
        expect(page.get_by_role("alert")).to_be_empty()


def mpeg4_part_2(path: Path) -> bytes:
    """An MP4 file with a video that browsers don't play, as OpenCV writes it."""
    cv2 = pytest.importorskip("cv2", reason="OpenCV is not installed")
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10, (64, 48))
    for _ in range(5):
        writer.write(np.full((48, 64, 3), 120, np.uint8))
    writer.release()
    data = path.read_bytes()
    assert b"mp4v" in data
    return data


def sound() -> bytes:
    """A file with sound and no pictures, as a browser sees one whose video it doesn't know."""
    data = io.BytesIO()
    with wave.open(data, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(8000)
        file.writeframes(bytes(8000))
    return data.getvalue()


def test_hostile_files_are_errors_on_the_page(opened: Open) -> None:
    page = opened()
    page.locator("[data-example=happy]").click()
    expect(page.locator(RESULT)).to_be_visible()
    good = encoded(portrait(1)[0])
    bomb = io.BytesIO()
    Image.new("1", (12_000, 12_000)).save(bomb, "PNG")
    script = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>"
    for data, name, kind, message in (
        (good[: len(good) // 2], "half.png", "image/png", "Damaged image: "),
        (bomb.getvalue(), "bomb.png", "image/png", "12000×12000 are 144 megapixels"),
        (script, "x.svg", "image/svg+xml", "SVG is not read; save it as JPEG or PNG"),
        (b"", "empty.jpg", "image/jpeg", "The file is empty"),
        (
            b"<script>alert(1)</script>",
            "<img src=x onerror=alert(1)>.txt",
            "text/plain",
            "No image",
        ),
    ):
        upload(page, data, name, kind)
        expect(page.get_by_role("alert")).to_contain_text(message)
        expect(page.locator("#result")).to_be_hidden()
    upload(page, good)
    expect(page.locator(RESULT)).to_be_visible()
    expect(page.get_by_role("alert")).to_be_empty()
    # The example was taken as a cropped face; a picture of one's own isn't.
    expect(page.locator("#found")).to_have_text("1 face found.")
    expect(page.locator("#boxes button")).to_have_count(1)


def test_a_server_that_is_gone_is_said(browser: Any) -> None:
    with serving(web.create_app(two_models(), threads=1)) as address:
        page = browser.new_page()
        page.goto(address)
        page.locator("[data-example=happy]").click()
        expect(page.locator(RESULT)).to_be_visible()
    page.get_by_role("switch", name="mouth").check()
    expect(page.get_by_role("alert")).to_contain_text("is ferturb app still running?")
    page.close()


def test_pasted_dropped_and_taken(opened: Open) -> None:
    page = opened(permissions=["camera"])
    assert give(page, "paste", "group")
    expect(page.locator("#found")).to_contain_text("4 faces found. Choose one.")
    assert give(page, "drop", "happy")
    expect(page.locator("#found")).to_have_text("1 face found.")
    page.get_by_role("button", name="Camera", exact=True).click()
    expect(page.locator("#camera-dialog")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#camera-dialog")).to_be_hidden()
    page.get_by_role("button", name="Camera", exact=True).click()
    page.wait_for_timeout(500)
    page.get_by_role("button", name="Take it", exact=True).click()
    # Chromium's made-up camera shows a disc on green, and no face.
    expect(page.get_by_role("alert")).to_contain_text("No face was found")


def test_a_picture_given_while_the_page_opens_is_answered_then(browser: Any, two: str) -> None:
    page, held = browser.new_page(), list[Any]()
    page.route("**/api/about", lambda route: held.append(route))
    page.goto(two)
    upload(page, encoded(portrait(4)[0]))
    expect(page.get_by_role("alert")).to_contain_text("The models are loading")
    assert give(page, "drop", "happy")
    page.get_by_label("It is a cropped face already").check()
    held.pop().continue_()
    expect(page.locator(RESULT)).to_be_visible()
    expect(page.locator("#found")).to_have_text("Taken as one face.")
    expect(page.get_by_role("alert")).to_be_empty()
    page.close()


def test_by_keyboard_alone(opened: Open) -> None:
    page = opened()

    def tab_to(what: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.locator(f"{what}:focus").count():
                ring = "e => getComputedStyle(e.closest('.chip') ?? e).outlineStyle"
                assert page.locator(f"{what}:focus").evaluate(ring) == "solid"
                return
        raise AssertionError(f"{what} can't be reached")

    tab_to("[data-example=happy]")
    page.keyboard.press("Enter")
    expect(page.locator(RESULT)).to_be_visible()
    before = numbers(page)
    tab_to('input[value="mouth"]')
    page.keyboard.press("Space")
    expect(page.locator(".before")).to_have_count(7)
    assert numbers(page) != before
    tab_to('input[name="worn"][value=""]')
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("radio", name="surgical")).to_be_checked()
    tab_to("#what-if")
    page.keyboard.press("Enter")
    expect(page.locator(".tried tbody tr")).to_have_count(16)
    tab_to(".scroll")
    tab_to(".tried button")
    page.keyboard.press("Enter")
    expect(page.locator("#live")).to_contain_text(re.compile("^Without |^[A-Z]\\w+ face mask"))


def test_on_a_phone_nothing_runs_over_the_edge(opened: Open) -> None:
    page = opened(375, 720, has_touch=True, is_mobile=True)
    assert fits(page)
    page.locator("[data-example=happy]").tap()
    expect(page.locator(RESULT)).to_be_in_viewport()
    assert fits(page)
    page.get_by_role("switch", name="mouth").check()
    expect(page.locator(".before")).to_have_count(7)
    # The bars stay in sight while features are switched.
    page.get_by_role("radio", name="cloth").scroll_into_view_if_needed()
    expect(page.locator(".bars")).to_be_in_viewport(ratio=0.9)
    page.get_by_role("button", name="Try every feature").tap()
    expect(page.locator(".tried")).to_be_visible()
    assert fits(page)
    page.get_by_role("switch", name="Compare side by side").check()
    expect(page.locator(".answer")).to_have_count(2)
    page.get_by_role("radio", name="N95").scroll_into_view_if_needed()
    expect(page.locator("#face")).to_be_in_viewport(ratio=0.9)
    assert fits(page)
    for button in page.locator("button:visible:not(#boxes *), .chip:visible").all():
        assert button.bounding_box()["height"] >= 24


CONTRAST = Path(__file__).with_name("contrast.js").read_text(encoding="utf-8")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast_in_light_and_dark(opened: Open, scheme: str) -> None:
    page = opened(color_scheme=scheme)
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    bright = sum(int(v) for v in re.findall(r"\d+", ground)[:3]) / 3
    assert (bright > 200) == (scheme == "light")
    assert page.evaluate(CONTRAST) == []
    page.locator("[data-example=happy]").click()
    page.get_by_role("switch", name="lower face").check()
    page.get_by_role("button", name="Try every feature").click()
    expect(page.locator(".tried")).to_be_visible()
    expect(page.locator(".before")).to_have_count(7)
    assert page.evaluate(CONTRAST) == []
    upload(page, b"nonsense")
    expect(page.locator(".error")).to_be_visible()
    assert page.evaluate(CONTRAST) == []


def test_everything_has_a_name_and_the_page_a_language(opened: Open) -> None:
    page = opened()
    page.locator("[data-example=group]").click()
    expect(page.locator(RESULT)).to_be_visible()
    assert page.evaluate("document.documentElement.lang") == "en"
    nameless = """() => [...document.querySelectorAll('button, input, select, canvas[role], img')]
      .filter((e) => e.checkVisibility() && !e.closest('[aria-hidden]'))
      .filter((e) => !e.labels?.length && !e.ariaLabel && !e.textContent.trim())
      .filter((e) => e.alt === undefined || e.tagName !== 'IMG')
      .map((e) => e.outerHTML)"""
    assert page.evaluate(nameless) == []
    expect(page.locator("#face")).to_have_attribute("role", "img")
    assert page.locator("#live").get_attribute("aria-live") == "polite"
    repeated = """() => {
      const ids = [...document.querySelectorAll('[id]')].map((e) => e.id);
      return ids.filter((id, i) => ids.indexOf(id) !== i);
    }"""
    assert page.evaluate(repeated) == []
