"""Ensembles of a group's models: the sum of their logits, seed by seed."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from ferturb.report.model_results import ModelResult
from ferturb.report.published import ENSEMBLE, FAMILIES, family


def ensembles(models: Sequence[ModelResult]) -> list[ModelResult]:
    """The sum of logits over each method's models, over the models that methods share, and over
    the paper's five where there are others beside them."""
    by_method: dict[str, dict[str, ModelResult]] = {}
    for result in models:
        if result.method != "attention":
            by_method.setdefault(result.method, {})[result.model] = result
    sets = [tuple(members) for members in by_method.values()]
    shared = [tuple(m for m in a if m in b) for a, b in combinations(sets, 2)]
    fives = [five for members in sets if (five := _papers_five(members))]
    every = {s for s in [*sets, *shared, *fives] if len(s) > 1}
    wanted = sorted(every, key=lambda s: (-len(s), s))
    found = []
    for names in wanted:
        name = ENSEMBLE if len(wanted) == 1 else f"{ENSEMBLE} of {len(names)}"
        for method, members in by_method.items():
            if set(names) <= set(members):
                found += _sum([members[m] for m in names], name, method)
    return found


def _papers_five(models: Sequence[str]) -> tuple[str, ...]:
    """One network of each of the paper's five architectures, where there is exactly one of each."""
    known = tuple(model for model in models if family(model))
    families = {family(model) for model in known}
    return known if len(known) == len(families) == len(FAMILIES) - 1 else ()


def _sum(members: Sequence[ModelResult], name: str, method: str) -> list[ModelResult]:
    seeds = sorted(set.intersection(*(set(member.seeds) for member in members)))
    if not seeds:
        return []
    places = [[member.seeds.index(seed) for seed in seeds] for member in members]
    pairs = list(zip(members, places, strict=True))
    return [
        ModelResult(
            model=name,
            method=method,
            seeds=tuple(seeds),
            labels=members[0].labels,
            logits=np.sum([member.logits[place] for member, place in pairs], axis=0),
            validation_labels=members[0].validation_labels,
            validation_logits=np.sum([m.validation_logits[place] for m, place in pairs], axis=0),
            seconds=sum(member.seconds for member in members),
            runs=tuple(run for m in members for run in m.runs if run.config.seed in seeds),
            members=tuple(member.model for member in members),
        )
    ]
