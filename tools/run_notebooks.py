"""Run the notebooks under examples/ and keep what they show: ``python tools/run_notebooks.py``.

Each runs in an empty folder of its own. What is kept says nothing of the machine or the time, so
that a second run changes no byte but those of numbers and pictures that changed.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from ferturb.base.storage import write_text

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
PATIENCE = 300


def executed(path: Path, folder: Path) -> nbformat.NotebookNode:
    """The notebook with what its cells give, run in a folder; an error of a cell is raised."""
    notebook = nbformat.read(path, as_version=4)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ["FERTURB_CACHE"] = str(folder / "cache")
    os.environ["PYTHONPATH"] = os.pathsep.join(
        [str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]
    )
    NotebookClient(
        notebook,
        timeout=PATIENCE,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
        coalesce_streams=True,
    ).execute()
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for i, cell in enumerate(notebook.cells):
        cell.id, cell.metadata = f"cell-{i}", {}
        if cell.cell_type == "code":
            cell.outputs = [_small(one) for one in cell.outputs if one.get("name") != "stderr"]
    return notebook


def _small(output: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A picture in the one of its forms that is the smallest."""
    pictures = sorted((len(d), k) for k, d in output.get("data", {}).items() if "image/" in k)
    for _, form in pictures[1:]:
        del output.data[form]
    return output


def main() -> None:
    wanted = [Path(name) for name in sys.argv[1:]] or NOTEBOOKS
    for path in wanted:
        with tempfile.TemporaryDirectory() as folder:
            text = nbformat.writes(executed(path, Path(folder)))
        write_text(path, text + "\n")
        print(f"{path.name}: {len(text):,} bytes")


if __name__ == "__main__":
    main()
