"""What programs in tools/ say when they are not given what they need: their usage, in one go."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[1] / "tools"
NEEDED = {
    "choose_calibration": "out, run",
    "collect_controls": "runs, out, picture",
    "collect_results": "data, out, runs",
    "measure_people": "data, votes",
    "sample_fer2013": "data",
    "ship_fer_plus": "images",
}


@pytest.mark.parametrize(("name", "needed"), NEEDED.items())
def test_a_program_says_what_it_needs(
    name: str, needed: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", [f"{name}.py"])
    with pytest.raises(SystemExit) as stopped:
        runpy.run_path(str(TOOLS / f"{name}.py"), run_name="__main__")
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert f"the following arguments are required: {needed}" in said
