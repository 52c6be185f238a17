"""Nothing that only POSIX has is imported or called where Windows would meet it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import ferturb

SOURCES, TESTS = Path(ferturb.__file__).parent, Path(__file__).parent
MODULES = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty"}
_OS = (
    *("fork", "getegid", "geteuid", "getgid", "getloadavg", "getpgid", "getuid", "killpg"),
    *("mkfifo", "mknod", "nice", "openpty", "register_at_fork", "sched_getaffinity", "setsid"),
    *("statvfs", "sysconf", "uname", "wait4"),
)
_SIGNAL = (
    *("alarm", "pause", "pthread_kill", "setitimer", "sigwait", "SIGALRM", "SIGCHLD", "SIGCONT"),
    *("SIGHUP", "SIGKILL", "SIGPIPE", "SIGQUIT", "SIGSTOP", "SIGTSTP", "SIGUSR1", "SIGUSR2"),
)
CALLS = {*(f"os.{name}" for name in _OS), *(f"signal.{name}" for name in _SIGNAL)}
GUARD = re.compile(r"win32|os\.name|hasattr\(|exists\(\)|^@posix_only|/dev/shm", re.MULTILINE)
"""What shows that whoever wrote a function knew."""


def programs(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if path != Path(__file__))


def own(node: ast.AST) -> Iterator[str]:
    """What of a statement, or of what is in it, only POSIX has."""
    for part in ast.walk(node):
        if isinstance(part, ast.Import):
            yield from MODULES & {alias.name for alias in part.names}
        elif isinstance(part, ast.ImportFrom) and not part.level:
            yield from MODULES & {part.module or ""}
        elif isinstance(part, ast.Attribute):
            yield from CALLS & {ast.unparse(part)}


def unguarded(text: str) -> list[str]:
    """What is met when the file is imported, or in a function that doesn't say for whom it is."""
    tree, lines, found = ast.parse(text), text.splitlines(), []
    known = [ast.unparse(node) for node in tree.body if "pytestmark" in ast.unparse(node)]
    whole = any(GUARD.search(mark) for mark in known)
    for node in tree.body:
        first = min([node.lineno, *(d.lineno for d in getattr(node, "decorator_list", ()))])
        words = "\n".join(lines[first - 1 : node.end_lineno])
        if not isinstance(node, ast.FunctionDef | ast.ClassDef) or not (
            whole or GUARD.search(words)
        ):
            found += [name for name in own(node) if not GUARD.search(words)]
    return found


@pytest.mark.parametrize("folder", [SOURCES, TESTS], ids=["package", "tests"])
def test_what_only_posix_has_is_asked_for_before_it_is_used(folder: Path) -> None:
    texts = {path: path.read_text(encoding="utf-8") for path in programs(folder)}
    found = {path.relative_to(folder).as_posix(): unguarded(text) for path, text in texts.items()}
    assert {name: names for name, names in found.items() if names} == {}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("import resource\n", ["resource"]),
        ("from importlib import resources\n", []),
        ("import os\nKILLED = os.fork()\n", ["os.fork"]),
        ("import os\ndef f():\n    os.mkfifo('x')\n", ["os.mkfifo"]),
        ("import os\n@posix_only\ndef f():\n    os.mkfifo('x')\n", []),
        ("import os\ndef f():\n    if hasattr(os, 'getuid'):\n        os.getuid()\n", []),
        ("import signal\n\nclass A:\n    def f(self): signal.alarm(1)\n", ["signal.alarm"]),
    ],
)
def test_the_check_itself(text: str, names: list[str]) -> None:
    assert unguarded(text) == names
