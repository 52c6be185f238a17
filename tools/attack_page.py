"""How long honest clients of the web page wait while others are slow.

    python tools/attack_page.py --slow 70 --questions 200 --out results/page_attack.csv

The page runs in a process of its own. Honest clients ask `POST /api/face` one question after the
other, in turns: a block without slow clients, a block beside each kind of them, and again, so
that what else the machine does falls on all alike.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from ferturb.base.storage import write_rows
from ferturb.data.drawn.synthetic import draw

QUESTION = json.dumps({"face": base64.b64encode(draw(1).images.numpy()[0].tobytes()).decode()})
HEAD = f"POST /api/face HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(QUESTION)}\r\n"
BODY = f"{HEAD}Content-Type: application/json\r\n\r\n"
KINDS = {"none": None, "silent": "", "half headers": HEAD, "one byte of a body": BODY + "{"}
TURNS = 5


def ask(port: int) -> float:
    """Seconds that a question takes, with a connection of its own."""
    start = time.perf_counter()
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    client.request("POST", "/api/face", QUESTION, {"Content-Type": "application/json"})
    said = client.getresponse()
    said.read()
    client.close()
    if said.status != 200:
        raise SystemExit(f"an honest client was answered {said.status}")
    return time.perf_counter() - start


def block(port: int, sent: str | None, slow: int, questions: int) -> list[float]:
    """Times of honest questions beside slow clients that sent this."""
    count = 0 if sent is None else slow
    clients = [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]
    for client in clients:
        client.sendall((sent or "").encode())
    times = [ask(port) for _ in range(questions)]
    for client in clients:
        client.close()
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slow", type=int, default=70)
    parser.add_argument("--questions", type=int, default=200, help="of each kind")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = ["-m", "ferturb", "app", "--no-browser", "--threads", "1", "--port", str(port)]
    page = subprocess.Popen([sys.executable, *command], stdout=subprocess.DEVNULL)
    try:
        for _ in range(600):
            try:
                ask(port)
                break
            except OSError:
                time.sleep(0.1)
        times: dict[str, list[float]] = {kind: [] for kind in KINDS}
        for _ in range(TURNS):
            for kind, sent in KINDS.items():
                times[kind] += block(port, sent, arguments.slow, arguments.questions // TURNS)
    finally:
        page.terminate()
    rows = []
    for kind, found in times.items():
        p50, p99 = 1000 * np.percentile(found, [50, 99])
        row = {"slow clients": kind, "count": 0 if kind == "none" else arguments.slow}
        rows.append(row | {"n": len(found), "p50 ms": f"{p50:.1f}", "p99 ms": f"{p99:.1f}"})
        print(rows[-1])
    write_rows(arguments.out, rows)


if __name__ == "__main__":
    main()
