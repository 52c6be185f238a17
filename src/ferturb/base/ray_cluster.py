"""The Ray cluster that work is handed to: that of RAY_ADDRESS, or one of this machine's own."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator
from typing import Any

from ferturb.base.errors import FerturbError, first_line


@contextlib.contextmanager
def connected(cpus: int, **own: Any) -> Iterator[None]:
    """Within, Ray answers; a connection that is open already stays so, another ends on leaving.

    A cluster that is started here has so many processors, and what `own` says besides. Its workers
    have the priority of any process: Ray gives them niceness 15, and so to the trainings that they
    start, which on a machine with other work makes them wait for seconds before they begin. Raises
    `FerturbError` where no cluster answers.
    """
    import ray

    if ray.is_initialized():
        yield
        return
    address = os.environ.get("RAY_ADDRESS")
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if not address:
        options |= {"num_cpus": cpus, "include_dashboard": False, **own}
        options["_system_config"] = {"worker_niceness": 0}
    try:
        ray.init(address or "local", namespace="ferturb", **options)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise FerturbError(
            f"no Ray cluster answers at {address or 'this machine'} ({first_line(error)}); start "
            "one, or leave out RAY_ADDRESS"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()
