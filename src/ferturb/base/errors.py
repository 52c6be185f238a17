"""The one exception for bad input: what was expected, what came, what to do."""

from __future__ import annotations

from ferturb.base.installation import install


class FerturbError(ValueError):
    """Input ferturb can't work with.

    Its text is one line that says what was expected, what came and what to do; the command
    line prints it as it is and exits with code 2.
    """


class MissingPackageError(FerturbError, ModuleNotFoundError):
    """A package that this needs and this installation lacks; its text names the extra with it."""


_EXTRAS = {
    **dict.fromkeys(("starlette", "uvicorn", "anyio"), "app"),
    "cv2": "video",
    "kagglehub": "kaggle",
    "huggingface_hub": "hub",
    "optuna": "search",
    "sqlalchemy": "search",
    "ray": "ray",
    "mlflow": "mlflow",
    "tensorboard": "tensorboard",
    "sklearn": "classical",
    "submitit": "slurm",
}
"""Package -> the extra that brings it; the others are `train`'s."""


def missing(error: ModuleNotFoundError) -> MissingPackageError:
    """What to install for a module that could not be imported."""
    package, _, inside = (error.name or "").partition(".")
    if package == "ferturb" and inside:
        text = f"this installation was trimmed and has no {error.name}; install ferturb anew"
    elif package:
        extra = _EXTRAS.get(package, "train")
        text = f"this needs the package {package}; {install(extra)}"
    else:
        text = first_line(error)
    found = MissingPackageError(text)
    found.name = error.name
    return found


def first_line(error: BaseException) -> str:
    """The first line of an error's text, or the name of its type where it has none."""
    return (str(error).splitlines() or [""])[0] or type(error).__name__
