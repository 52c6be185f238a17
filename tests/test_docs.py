"""The documentation: it builds strictly, is fresh, asks no other machine, and its examples run."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import ferturb
from chromium import in_chromium, launched, playwright_api
from made_photos import encoded, portrait

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)

if not DOCS.is_dir():
    pytest.skip("the documentation is in a checkout only", allow_module_level=True)


@pytest.fixture(scope="module")
def tool() -> Any:
    """tools/write_docs.py."""
    sys.path.insert(0, str(ROOT / "tools"))
    try:
        return importlib.import_module("write_docs")
    finally:
        sys.path.remove(str(ROOT / "tools"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The built site; a warning of mkdocs fails it."""
    pytest.importorskip("mkdocs", reason="needs mkdocs: pip install '.[docs]'")
    folder = tmp_path_factory.mktemp("site")
    build = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1", "PYTHONDONTWRITEBYTECODE": ""},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert build.returncode == 0, build.stdout + build.stderr
    programs = [*folder.glob("*.py"), *folder.rglob("*.pyc"), *folder.rglob("__pycache__")]
    assert programs == [], "what makes the pages is no page"
    return folder


class Addresses(HTMLParser):
    """What a page loads by itself, and the ids it has."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        self.ids.add(found.get("id", ""))
        loads = tag in ("img", "script", "iframe", "source", "video")
        if tag == "link" and found.get("rel") not in ("canonical", "prev", "next"):
            self.loaded.append(found.get("href", ""))
        elif loads and "src" in found:
            self.loaded.append(found["src"])


def read(page: Path) -> Addresses:
    parser = Addresses()
    parser.feed(page.read_text(encoding="utf-8"))
    return parser


@pytest.mark.slow
def test_the_site_builds_and_loads_nothing_from_elsewhere(site: Path) -> None:
    built = list(site.rglob("*.html"))
    assert len(built) > len(list(DOCS.rglob("*.md"))) - 1
    for page in built:
        for address in read(page).loaded:
            parts = urlsplit(address)
            assert not parts.scheme or parts.scheme == "data", f"{page} loads {address}"
            assert not parts.netloc, f"{page} loads {address}"
            if page.name != "404.html" and not parts.scheme:
                assert (page.parent / parts.path).exists(), f"{page} has no {address}"
    for style in site.rglob("*.css"):
        assert not re.search(r"(@import|url\()\s*['\"]?https?:", style.read_text(encoding="utf-8"))


@pytest.mark.slow
def test_no_page_is_left_out_of_the_navigation(site: Path) -> None:
    home = (site / "index.html").read_text(encoding="utf-8")
    for page in DOCS.rglob("*.md"):
        address = page.relative_to(DOCS).with_suffix(".html").as_posix()
        assert f'href="{address}"' in home, f"{page} is not in the nav of mkdocs.yml"


@pytest.mark.slow
def test_the_cards_are_included_and_linked_files_are_there(site: Path) -> None:
    scheme = (site / "perturb_scheme.html").read_text(encoding="utf-8")
    assert "What the paper leaves open" in scheme
    models = (site / "models.html").read_text(encoding="utf-8")
    for card in (ROOT / "src/ferturb/predict/weights").glob("*.md"):
        first = next(line for line in card.read_text(encoding="utf-8").splitlines()[1:] if line)
        assert first.split("*")[0][:40] in models, f"{card} is not on the page of the models"
    for page in DOCS.glob("*.md"):
        for path in re.findall(r"\]\(\.\./([\w./-]+)\)", page.read_text(encoding="utf-8")):
            assert (site / "files" / path).read_bytes() == (ROOT / path).read_bytes()
    for page in (site / "files").rglob("*.html"):
        for path in re.findall(r'href="(?!#)([^":]+)"', page.read_text(encoding="utf-8")):
            assert (page.parent / path).is_file(), f"{page} has no {path}"


@pytest.mark.slow
@in_chromium
def test_it_can_be_searched_from_a_disk(site: Path) -> None:
    sync_api = playwright_api()
    asked: list[str] = []
    with sync_api.sync_playwright() as playwright:
        browser = launched(playwright)
        page = browser.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.goto((site / "index.html").as_uri())
        page.locator("[data-md-component=search-query]").fill("believe it")
        page.locator(".md-search-result__item a").first.click(timeout=60_000)
        page.wait_for_url("**/2_leave_features_out.html*")
        assert page.locator(".jp-OutputArea-output img").count() >= 2
        browser.close()
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:"))] == []


@pytest.mark.slow
def test_the_notebooks_are_pages_and_their_links_lead_somewhere(site: Path) -> None:
    for notebook in (ROOT / "examples").glob("*.ipynb"):
        page = site / "examples" / f"{notebook.stem}.html"
        html = page.read_text(encoding="utf-8")
        assert not re.search(r'href="[^"]*\.ipynb', html)
        for address in re.findall(r'href="((?!https?:)[\w./-]+\.html)', html):
            assert (page.parent / address).exists(), f"{page.name} has no {address}"


def test_what_is_made_is_fresh(tool: Any) -> None:
    for path, text in tool.pages().items():
        fresh = path.read_text(encoding="utf-8") == text
        assert fresh, f"{path.relative_to(ROOT)} is not up to date: python tools/write_docs.py"


def test_a_marked_part_is_replaced_and_nothing_else(tool: Any) -> None:
    page = "before\n<!-- made: counts -->\nold\n<!-- end -->\nafter\n"
    made = tool.filled(page)
    assert made.startswith("before\n<!-- made: counts -->\n\n| emotion | train |")
    assert made.endswith("\n\n<!-- end -->\nafter\n")
    assert "old" not in made
    assert "| disgust | 436 | 56 | 55 |" in made
    assert tool.filled(made) == made


def test_a_new_table_of_results_is_shown_without_further_ado(
    tool: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("write_docs_results.RESULTS", tmp_path)
    assert tool.other_results() == ""
    rows = "who,how|what,speed,speed_low,speed_high\nours,a|b,0.123456789,0.1,-2e-05\n"
    (tmp_path / "new_one.csv").write_text(rows, encoding="utf-8")
    (tmp_path / "landmarks.csv").write_text("shown,by,itself\n", encoding="utf-8")
    assert tool.other_results() == (
        "## Other tables\n\n### New one\n\n[`new_one.csv`](../results/new_one.csv):\n\n"
        "| who | how\\|what | speed |\n| --- | --- | ---: |\n"
        "| ours | a\\|b | 0.1235 [0.1, -2e-05] |"
    )


def test_every_table_of_privatetest_is_counted(tool: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An experiment's trainings from the look on, once each; no table is forgotten."""
    import write_docs_looks

    counted = {name for names in write_docs_looks.COUNTED for name in names}
    for path in (ROOT / "results").glob("*.csv"):
        head, _, lines = path.read_text(encoding="utf-8").partition("\n")
        if re.search(r"\bprivatetest_accuracy\b|\btest_\w*accuracy\b", head):
            assert path.stem in counted, path.name
        elif re.search("^privatetest,", lines, re.MULTILINE):
            assert re.sub("_(changes|claims)$", "", path.stem) in {*counted, "unplanned"}
    looked = {"cell": "7000", "arm": "whole", "replicate": "0", "privatetest_accuracy": "44"}
    rows = [looked, looked | {"reading": "summed"}, looked | {"privatetest_accuracy": ""}]
    rows += [looked | {"arm": "k1"}, {"cell": "7000", "arm": "k1", "replicate": "1"}]
    shown: dict[str, list[dict[str, str]]] = {"clusters_k.csv": rows}
    monkeypatch.setattr(write_docs_looks, "COUNTED", {("clusters_k",): _counted("clusters_k")})
    monkeypatch.setattr(write_docs_looks, "csv_rows", shown.__getitem__)
    assert "clusters_k.csv) | that on the number of clusters | 2 |" in tool.privatetest_looks()


def _counted(name: str) -> Any:
    import write_docs_looks

    return write_docs_looks.COUNTED[(name,)]


def test_the_arms_of_an_experiment_are_sorted_and_what_holds_is_bold(
    tool: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("write_docs_results.RESULTS", tmp_path)
    monkeypatch.setattr(
        "write_docs_experiments.FORMS", {"whole-4x": "nothing", "grid-mean": "grey"}
    )
    scores = [
        f"{split}_{measure}" for split in ("publictest", "privatetest") for measure in MEASURES
    ]
    table = ["cell,arm,replicate,reading,training_accuracy," + ",".join(scores)]
    table += ["2000,whole-4x,0,whole,99,30,20,40,30", "2000,whole-4x,1,whole,100,32,22,42,32"]
    table += ["2000,grid-mean,0,whole,80,30,20,44,32", "2000,grid-mean,100,whole,9,9,9,9,9"]
    ends = ",".join(f"{m},{m}_low,{m}_high" for m in MEASURES)
    changes = ["split,cell,arm,reading," + ends, "publictest,2000,grid-mean,whole,0,-1,1,0,-1,1"]
    changes += ["privatetest,2000,grid-mean,whole,3,2,4,1,-1,3"]
    claims = ["split,measure,cell,comparison,p_holm"]
    against = "grid-mean (whole) - whole-4x (whole)"
    claims += [f"publictest,macro_recall,2000,{against},0.01"]
    claims += [f"privatetest,accuracy,2000,{against},0.03"]
    claims += [f"privatetest,macro_recall,2000,{against},0.2"]
    named = {"forms": table, "forms_changes": changes, "forms_claims": claims}
    for name, lines in named.items():
        (tmp_path / f"{name}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert tool.forms().splitlines()[2:] == [
        "| `grid-mean`: grey | 44.0 | **+3.0 [+2.0, +4.0]** | 32.0 | +1.0 [−1.0, +3.0] | 80.0 |",
        "| `whole-4x`: nothing | 41.0 |  | 31.0 |  | 99.5 |",
    ]


MEASURES = ("accuracy", "macro_recall")


def test_every_verb_has_its_help_as_another_process_prints_it() -> None:
    page = (DOCS / "command_line.md").read_text(encoding="utf-8")
    printed = subprocess.run(
        [sys.executable, "-m", "ferturb", "data", "audit", "--help"],
        env=os.environ | {"COLUMNS": "88", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    boxes = printed[printed.index("╭") :]
    assert "\n".join(line.rstrip() for line in boxes.strip().splitlines()) in page
    shown = set(re.findall(r"^## ferturb ([a-z-]+)$", page, re.MULTILINE))
    assert shown == set(re.findall(r"^  ([a-z-]+) ", help_of(), re.MULTILINE))


def help_of() -> str:
    command = [sys.executable, "-m", "ferturb", "--help"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder with a photo in it, and a cache of its own."""
    (tmp_path / "photo.jpg").write_bytes(encoded(portrait(2)[0], "JPEG", quality=95))
    monkeypatch.setenv("FERTURB_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def examples() -> list[Path]:
    pages = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
    return [page for page in pages if BLOCK.search(page.read_text(encoding="utf-8"))]


@pytest.mark.slow
@pytest.mark.parametrize("page", examples(), ids=lambda p: p.name)
def test_the_examples_of_a_page_run_in_order(
    page: Path, desk: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = page.read_text(encoding="utf-8")
    names: dict[str, Any] = {"__name__": "example"}
    for found in BLOCK.finditer(text):
        line = text[: found.start()].count("\n") + 1
        code = compile("\n" * line + found[1], str(page), "exec")
        exec(code, names)
    names["printed"] = capsys.readouterr().out
    assert names["printed"].strip()
    CHECKS.get(page.name, lambda names: None)(names)
    assert "Predictor" not in names or names["photo"].faces, "no face was found in the photo"


def library_says_what_is_so(names: dict[str, Any]) -> None:
    """What the comments of docs/library.md claim."""
    assert names["faces"].images.shape == (300, 48, 48)
    assert names["landmarks"].points.shape == (len(names["test"]), 108, 2)
    assert (names["share"].sum((1, 2)) - 1).abs().max() < 1e-4
    assert names["perturb_run"].cluster_maps().shape == (1, 48, 48)
    assert abs(names["probabilities"].sum(1) - 1).max() < 1e-5
    assert names["probabilities"].shape == (4, 7)
    assert names["answer"].shape == (1, 7)
    assert list(names["changed"]) == ["", "eyes", "mouth"]
    assert Path("marked/photo.jpg").is_file()
    assert list(names["table"]["name"].unique()) == ["photo.jpg", "1", "2"]
    assert Path("a.png").is_file()


def own_models_answer_as_themselves(names: dict[str, Any]) -> None:
    """What docs/own_model.md claims: classes in another order, and one network in two forms."""
    bright = names["faces"].images.float().mean((1, 2)) / 255 > 0.4
    expected = [ferturb.EMOTIONS.index("neutral" if one else "angry") for one in bright]
    assert names["said"].tolist() == expected
    assert "class 'bored' (output 2) is not an emotion" in names["printed"]
    network, file = (
        ferturb.predict_logits(names["models"][name], names["faces"].images)
        for name in ("network", "file")
    )
    assert float((network - file).abs().max()) < 1e-3 * float(network.abs().max())
    assert [entry.n for entry in names["entries"].values()] == [7, 7, 7]


CHECKS = {
    "library.md": library_says_what_is_so,
    "own_model.md": own_models_answer_as_themselves,
}


def test_the_pictures_of_the_readme_are_there() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)|<img src=\"([^\"]+)\"", readme)
    pictures = [markdown or html for markdown, html in pictures]
    assert "docs/img/demo.png" in pictures
    for picture in pictures:
        path = ROOT / picture
        assert path.is_file(), f"the README shows {picture}, which is not there"
        assert path.stat().st_size < 500_000


def test_the_badges_say_what_is_so(tool: Any) -> None:
    readme = (ROOT / "README.md").read_text("utf-8").lower()
    for path, svg in tool.badges().items():
        said = re.search(r'aria-label="(\w+): ([^"]+)"', svg)
        assert said is not None
        assert f"![{said[1]} {said[2]}](docs/img/{path.name})".lower() in readme
    assert f"![version {ferturb.__version__}]" in readme


def test_the_links_of_the_readme_lead_somewhere() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", (ROOT / "README.md").read_text("utf-8"))
    assert "docs/index.md" in links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_there_is_a_make_target() -> None:
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    wanted = subprocess.run(
        ["make", "--dry-run", "docs"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert "mkdocs build --strict" in wanted
    assert "tools/write_docs.py" in wanted
