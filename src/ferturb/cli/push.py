"""`ferturb push`: a model to the Hugging Face hub, or its folder alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from tyro.conf import Positional, arg

from ferturb.base.errors import FerturbError


def push(
    model: Annotated[Positional[str], arg(metavar="MODEL")],
    repository: Annotated[Positional[str], arg(metavar="OWNER/NAME")],
    /,
    *,
    public: bool = False,
    licence: str = "mit",
    folder: Path | None = None,
) -> None:
    """Push a model to the Hugging Face hub: weights, ONNX file, and a card with its scores.

    Anyone who may read it then uses it by name: `ferturb predict --model hf:OWNER/NAME`. Log in
    first with `hf auth login`. Needs the extra `hub`.

    Example: ferturb push study/runs/NAME me/faces

    Args:
        model: A run folder, or `clean`, `robust` or `tiny`.
        repository: Where to; it is made if it isn't there, for you alone.
        public: Make it for everyone to see.
        licence: The licence of the weights, by its name on the hub.
        folder: Write the folder here, and push nothing.
    """
    from ferturb.cli import terminal
    from ferturb.export.hub import push_to_hub, write_hub_folder
    from ferturb.predict.hub import require_repository

    if folder is not None:
        if public:
            raise FerturbError("--folder pushes nothing; leave --public out")
        require_repository(repository)
        written = write_hub_folder(model, folder, repository, licence)
        terminal.facts({"written": str(written)})
        return
    told = push_to_hub(model, repository, public=public, licence=licence)
    terminal.facts({"pushed": told, "use it": f"ferturb predict --model hf:{repository} photo.jpg"})
