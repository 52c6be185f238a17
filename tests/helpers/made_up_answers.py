"""What a made-up model says under every condition of the benchmark."""

from __future__ import annotations

import numpy as np

from ferturb.evaluation.benchmark.measure import Answers
from ferturb.evaluation.benchmark.protocol import CONDITIONS


def made_up_answers(n: int = 210) -> Answers:
    """Answers to n faces, as many of each emotion: some conditions are harder than others."""
    generator = np.random.default_rng(4)
    labels = np.arange(n) % 7
    logits = generator.normal(size=(len(CONDITIONS), n, 7)).astype(np.float32)
    logits[:, np.arange(n), labels] += generator.uniform(0, 3, (len(CONDITIONS), 1))
    record = {"data": {"source": "made up", "hash": "0"}, "split": "test", "seconds": 1.0}
    return Answers("made-up", labels, logits, record)
