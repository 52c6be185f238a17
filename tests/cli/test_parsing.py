"""Every option of every verb, given wrongly: one line that names it, and exit code 2."""

from __future__ import annotations

import re
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

import ferturb
from ferturb.cli.help_form import finished
from ferturb.cli.main import GROUPS, VERBS, commands, main
from ferturb.cli.parsing import help_text

LONG = "x" * 5000
BASE = {
    "demo": "demo no.png",
    "predict": "predict no.png",
    "app": "app --no-browser --model no",
    "export": "export no --out a.onnx",
    "serve": "serve --model no",
    "push": "push no me",
    "train": "train --data no.zip",
    "evaluate": "evaluate no",
    "benchmark": "benchmark no",
    "search": "search --data no.zip",
    "study": "study quick --data no.zip",
    "report": "report no",
    "ablate": "ablate no",
    "explain": "explain no",
    "faithfulness": "faithfulness no",
    "data info": "data info no.zip",
    "data audit": "data audit no.zip",
    "data fetch": "data fetch nothing",
    "data synthesize": "data synthesize a.png/x",
    "leave-out": "leave-out no --feature mouth --out out",
    "mask": "mask no --out out",
}
"""Commands that are refused whatever else they say, in a folder that has a photo, a.png."""
FROM_ZERO = (
    "--seed",
    "--subset-seed",
    "--alteration-seed",
    "--webcam",
    "--controls",
    "--port",
    "--distillation-views",
    "--local-maps",
    "--gpus-per-run",
    "--prune-after",
)
OUT_OF_BOUNDS = {"INT": ("-1", "0", "1" + "0" * 40), "FLOAT": ("-1", "nan", "inf", "1e300")}
NOT_OF_THE_KIND = {"INT": ("abc", "1.5", "", "--"), "FLOAT": ("abc", "", "1,5")}
_ROW = re.compile(r"^│ (--[a-z-]+) ?((?:\[?[A-Z]+|\{\S+)?)", re.MULTILINE)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FERTURB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "250")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    Path("a.png").write_bytes(b"no photo")


@cache
def options(verb: str) -> dict[str, str]:
    """Every option of a verb, and what it takes, as its help says."""
    return dict(_ROW.findall(help_text(commands, verb.split())))


def own_options(verb: str) -> dict[str, str]:
    """Those that no earlier verb has in the same form; what verbs share is parsed alike."""
    earlier = [options(before) for before in list(BASE)[: list(BASE).index(verb)]]
    here = options(verb)
    return {o: kind for o, kind in here.items() if all(e.get(o) != kind for e in earlier)}


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line with which a command is refused, or what else came of it."""
    try:
        main(list(arguments))
    except SystemExit as stopped:
        printed = capsys.readouterr()
        lines = printed.err.strip().splitlines()
        if stopped.code == 2 and len(lines) == 1 and lines[0].startswith("error "):
            return "" if printed.out.strip("[]\n") else lines[0].removeprefix("error ")
        return f"exit code {stopped.code}: {printed.err}"
    except BaseException as error:
        return f"raised {type(error).__name__}: {error}"
    return "went through"


def test_every_verb_is_tried_here() -> None:
    verbs = {f"{verb} {below}" for verb in VERBS for below in VERBS[verb]}
    assert set(BASE) == verbs | {verb for verb in VERBS if not VERBS[verb]}
    assert sum(len(options(verb)) for verb in BASE) > 120


@pytest.mark.parametrize("verb", BASE)
def test_numbers_out_of_bounds_and_of_another_kind(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = {}
    for option, kind in own_options(verb).items():
        words = option[2:].replace("-", "[ _-]").rstrip("s")
        for value in OUT_OF_BOUNDS.get(kind, ()):
            if value == "0" and option in FROM_ZERO:
                continue
            given = [value, value] if option == "--erased" else [value]
            line = said(capsys, *BASE[verb].split(), option, *given)
            if not re.search(rf"{words}.*(from|at least|…)", line) or len(line) > 300:
                found[option, value] = line
        for value in NOT_OF_THE_KIND.get(kind, ()):
            line = said(capsys, *BASE[verb].split(), option, value)
            if not line.startswith(f"{option} takes "):
                found[option, value] = line
    assert found == {}
    assert sorted(path.name for path in Path().iterdir()) == ["a.png"]


@pytest.mark.parametrize("verb", BASE)
def test_words_and_paths_of_any_length_and_none(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    found = {}
    for option, kind in own_options(verb).items():
        if kind in ("STR", "PATH") or kind.startswith("{"):
            for value in (LONG, "a\nb\udce9", "/dev/null/x"):
                line = said(capsys, *BASE[verb].split(), option, value)
                if line.startswith(("exit", "raised", "went")) or not line:
                    found[option, value[:10]] = line
        if kind and not kind.startswith("["):
            line = said(capsys, *BASE[verb].split(), option)
            if not re.fullmatch(rf"{option} takes .*, and nothing came; see .* --help", line):
                found[option, "nothing"] = line
        mistyped = f"{option[:-2]}{option[-1]}x"
        line = said(capsys, *BASE[verb].split(), mistyped, "x")
        near = re.search(r"did you mean (--[a-z-]+)\?", line)
        if "unknown option" not in line or (len(option) > 7 and near is None):
            found[mistyped, "x"] = line
        if near is not None and near[1] not in options(verb):
            found[mistyped, "x"] = line
    assert found == {}


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ("pretict a.png", "unknown verb 'pretict' (did you mean predict?); see ferturb --help"),
        ("data inof x", "unknown verb 'inof' (did you mean info?); see ferturb data --help"),
        ("zzz", "unknown verb 'zzz'; see ferturb --help"),
        ("--zzz", "unknown option '--zzz'; see ferturb --help"),
        ("report x --out y", "unknown option '--out'; see ferturb report --help"),
        ("report -x", "unknown option '-x'; see ferturb report --help"),
        ("data info -x a", "unknown option '-x'; see ferturb data info --help"),
        (
            "data",
            "ferturb data needs one of info, audit, fetch, synthesize; see ferturb data --help",
        ),
        ("data info", "ferturb data info needs SOURCE; see ferturb data info --help"),
        ("data info a b", "ferturb data info has no use for 'b'; see ferturb data info --help"),
        ("leave-out x", "ferturb leave-out needs --feature, --out; see ferturb leave-out --help"),
        (
            "predict a.png --modle tiny",
            "unknown option '--modle' (did you mean --model?); see ferturb predict --help",
        ),
        (
            "predict a.png --threads=two",
            "--threads takes a whole number, got 'two'; see ferturb predict --help",
        ),
        (
            "export --out a --format int9",
            "--format takes one of float16, float32, int8, got 'int9' (did you mean int8?); "
            "see ferturb export --help",
        ),
        (
            "data fetch --source kagle",
            "--source takes one of github, huggingface, kaggle, got 'kagle' (did you mean kaggle?)"
            "; see ferturb data fetch --help",
        ),
        ("train --erased 1 x", "--erased takes 2 numbers, got '1' 'x'; see ferturb train --help"),
        ("pretict --help", "unknown verb 'pretict' (did you mean predict?); see ferturb --help"),
    ],
)
def test_what_is_wrong_is_said_with_what_is_meant(
    words: str, line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said(capsys, *words.split()) == line


def test_prose_and_options_are_broken_at_the_edge_alone() -> None:
    """tyro breaks lines before what is no letter, wherever the program has one."""
    told = help_text(commands, ["study"])
    paragraph = next(part for part in told.split("\n\n") if part.startswith("Presets: "))
    width = max(map(len, paragraph.splitlines()))
    for line, after in pairwise(paragraph.splitlines()):
        assert len(line) + 1 + len(after.split()[0]) > min(width, 100)
    options = " ".join(told.replace("│", " ").split())
    assert (
        "`clusters`, `controls`, `leaving-out`, `paper` or `released`. (default: quick)" in options
    )


def test_a_terminal_with_colours_has_the_same_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    plain = help_text(commands, ["predict"])
    monkeypatch.setattr("ferturb.cli.parsing._LikeStdout.isatty", lambda self: True)
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = help_text(commands, ["predict"])
    assert "\x1b[" in coloured
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == plain
    long = "\x1b[1musage:\x1b[0m ferturb x " + "[--option STR] " * 9
    lines = finished(f"{long}\n\nProse.\n\n╭─╮\n", "x", 60).splitlines()
    assert lines[0].startswith("\x1b[1musage:\x1b[0m ferturb x [--option STR]")
    assert all(line.endswith("]") for line in lines[: lines.index("")])


def test_another_tyro_says_it_in_its_own_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("ferturb.cli.parsing._flag", lambda argument: argument.no_such)
    assert said(capsys, "predict", "--threads", "abc").startswith("exit code 2: ")
    monkeypatch.setattr("ferturb.cli.parsing.failures", None)
    assert said(capsys, "predict", "--threads", "abc").startswith("exit code 2: ")


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--version"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == f"ferturb {ferturb.__version__}\n"


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_the_overview_names_every_verb_in_its_group(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 0
    printed = capsys.readouterr().out
    assert max(map(len, printed.splitlines())) <= 79
    parts = re.split(r"^([A-Z][a-z ]+):$", printed, flags=re.MULTILINE)[1:]
    named = {
        title: re.findall(r"^  ([a-z-]+)  ", text, re.MULTILINE)
        for title, text in zip(parts[::2], parts[1::2], strict=True)
    }
    assert named == {title: list(group) for title, group in GROUPS.items()}


@pytest.mark.parametrize("verb", BASE)
@pytest.mark.parametrize("columns", ["60", "80", "250"])
def test_help_is_free_of_what_says_nothing(
    verb: str, columns: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    with pytest.raises(SystemExit) as stopped:
        main([*verb.split(), "--help"])
    assert stopped.value.code == 0
    printed = capsys.readouterr().out
    plain = " ".join(re.sub(r"[│\s]+", " ", printed).split())
    assert "None" not in plain
    assert "(default: )" not in plain
    assert "(default: False)" not in plain
    assert "\n│" in printed  # a box of options
    assert not re.search(r"^│\s*│$", printed, re.MULTILINE)
    assert "\n\n\n" not in printed
    assert max(map(len, printed.splitlines())) <= min(int(columns), 100)
    assert not re.search(r"\[\[|\[(\S+) \[\1 \.\.\.\]", printed)  # said once: [STR ...]
    titles = set(re.findall(r"^╭─ (.+?) ─+╮$", printed, re.MULTILINE))
    assert not titles & {f"{name} options" for name in ("form", "many", "shown", "options")}
    assert not any("." in title for title in titles)
    assert len({len(line) for line in printed.splitlines() if line.startswith(("│", "╭"))}) == 1
