"""The verb `ferturb demo`: what a model loses with each facial feature, in one picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from tyro.conf import Positional, arg

import ferturb
from ferturb.base.errors import FerturbError

if TYPE_CHECKING:
    from ferturb.predict.comparison import Row
    from ferturb.predict.predictor import Predictor

EXAMPLES = Path(ferturb.__file__).parent / "web" / "page" / "examples"
"""Drawn faces that come with the web page, NAME.png; the name says what was drawn."""
_FOOT = "The mark on a bar is where it was before. A model names expressions, not feelings."
_MOST = 3
"""Faces of a photo that are shown, at most: the largest."""


def demo(
    photo: Positional[Annotated[Path | None, arg(metavar="[PHOTO]")]] = None,
    /,
    *,
    model: str = "clean",
    cropped: bool = False,
    out: Path = Path("ferturb-demo.png"),
    page: bool = False,
    threads: int | None = None,
) -> None:
    """Show what a model sees of a face before and after: without mouth, eyes, brows, with a mask.

    Takes seconds and no training: one of the drawn faces that come with ferturb (of those that the
    model recognises, the one whose answers change most) and, if you give one, the faces of your
    photo, as one picture and a sentence each. Photos stay on this machine.

    Example: ferturb demo me.jpg

    Args:
        photo: A photo of yours; of its faces the three largest are shown.
        model: `clean`, `robust` or `tiny`, an ONNX file, or a run folder.
        cropped: The photo is one face already.
        out: The picture to write, a PNG or JPEG; replaced if it is a demo's.
        page: Then open the web page (`ferturb app`), where you can switch features off yourself.
        threads: Threads of onnxruntime (default: all cores).
    """
    from ferturb.cli import terminal
    from ferturb.cli.app import app
    from ferturb.cli.models import UNSAID, for_predictor
    from ferturb.predict.comparison import comparison, require_own, write_picture
    from ferturb.predict.predictor import Predictor

    require_own(out)
    predictor = Predictor(for_predictor(model, UNSAID, threads), threads=threads)
    rows = _drawn(predictor) if EXAMPLES.is_dir() else []
    if photo is not None:
        rows += _of_photo(predictor, photo, cropped)
    if not rows:
        raise FerturbError("this installation was trimmed and has no drawn faces; give a photo")
    write_picture(comparison(rows, f"What the model {predictor.model.name} sees", _FOOT), out)
    for row in rows:
        terminal.line(f"{row.title}: {row.sentence}")
    terminal.facts({"picture": str(out)})
    if page:
        app(model=model, threads=threads)


def _drawn(predictor: Predictor) -> list[Row]:
    """The drawn face whose changes tell most, of those that the model recognises."""
    from ferturb.base.emotions import EMOTIONS
    from ferturb.predict.before_after import changes, most_telling, sentence
    from ferturb.predict.comparison import Row

    there = {e: EXAMPLES / f"{e}.png" for e in EMOTIONS if (EXAMPLES / f"{e}.png").is_file()}
    found = predictor.predict(list(there.values()), cropped=True)
    faces = dict(zip(there, (photo.faces[0].face for photo in found), strict=True))
    drawn, shown = most_telling({e: changes(predictor, face) for e, face in faces.items()})
    return [Row("A drawn face", sentence(shown, drawn), shown)]


def _of_photo(predictor: Predictor, path: Path, cropped: bool) -> list[Row]:
    """The largest faces of a photo, as one reads."""
    from ferturb.predict.before_after import changes, sentence
    from ferturb.predict.comparison import Row

    (photo,) = predictor.predict(path, cropped)
    if not photo.faces:
        raise FerturbError(f"{path}: no face found; if it is one face, say so with --cropped")
    sizes = {n: face.box[2] - face.box[0] for n, face in photo.numbered()}
    largest = sorted(sizes, key=lambda n: -sizes[n])[:_MOST]
    rows = []
    for number, face in photo.numbered():
        if number in largest:
            shown = changes(predictor, face.face)
            more = f", face {number}" if len(photo.faces) > 1 else ""
            rows.append(Row(f"{path.name}{more}", sentence(shown), shown))
    return rows
