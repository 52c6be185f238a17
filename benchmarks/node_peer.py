"""A network of an npm package, in a node process of its own (`node_peers.cjs`)."""

from __future__ import annotations

import contextlib
import json
import subprocess
from pathlib import Path
from typing import Any

_SCRIPT = Path(__file__).with_name("node_peers.cjs")


class NodePeer:
    """Asked by one line of JSON, it answers with one; `close` ends the process.

    What can't be loaded, and a process that ends by itself, raise `OSError`.
    """

    def __init__(self, peers: Path, name: str) -> None:
        self.name = name
        self.process = subprocess.Popen(
            ["node", str(_SCRIPT), str(peers / "npm"), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        if not self._said():
            self.close()
            raise OSError(f"node could not load {name} from {peers / 'npm'}")

    def ask(self, **command: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(command) + "\n")
            self.process.stdin.flush()
        said = self._said()
        if not said:
            raise OSError(f"node ended while it worked on {self.name}")
        answer: dict[str, Any] = json.loads(said)
        return answer

    def close(self) -> None:
        with contextlib.suppress(BrokenPipeError), self.process:
            self.process.kill()

    def _said(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()
