"""What is set before OpenMP is loaded, in a process that imports the package first."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from ferturb.base.threads import POLICY, usable_cores


@pytest.mark.parametrize(("given", "found"), [(None, "PASSIVE"), ("ACTIVE", "ACTIVE")])
def test_waiting_threads_sleep_unless_the_environment_says_otherwise(
    given: str | None, found: str
) -> None:
    environment = {name: value for name, value in os.environ.items() if name != POLICY}
    environment |= {} if given is None else {POLICY: given}
    code = f"import os, ferturb; print(os.environ[{POLICY!r}])"
    said = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == found


def test_cores_are_those_that_the_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {2, 5, 7}, raising=False)
    assert usable_cores() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert usable_cores() == 1
