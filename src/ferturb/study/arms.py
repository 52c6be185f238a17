"""The arms, cells and replicates of the experiments, as results/plan_*.md say them."""

from __future__ import annotations

from dataclasses import replace

from ferturb.base.config import MIXED, MethodConfig
from ferturb.study.experiments import Arm, Best, Cell, Experiment

_PLACE = MethodConfig("uniform-clusters", scope="fixed", views="sample")
"""One view of a fixed division of the face by place alone, drawn for each face and step."""
_RANDOM = MethodConfig("random-regions", intensity_weight=0.0, scope="face")
_ERASING = MethodConfig("random-erasing", views="sample")

LEAVING_OUT_ARMS: dict[str, Arm] = {
    "whole": Arm(MethodConfig("baseline")),
    "whole-4x": Arm(MethodConfig("extra-epochs"), factor=4),
    "all-views": Arm(replace(_PLACE, views="all"), summed=True),
    "random-regions": Arm(_RANDOM, summed=True),
    "one-view": Arm(_PLACE),
    "rectangle": Arm(replace(_ERASING, fill="black", erased=(1 / 3, 1 / 3))),
    "light": Arm(replace(_PLACE, view_probability=1 / 3)),
    "landmarks": Arm(MethodConfig("landmark-regions", views="sample"), tuned_as="one-view"),
}
_SEVEN = tuple(arm for arm in LEAVING_OUT_ARMS if arm != "landmarks")
_K = tuple(k for k in range(1, 7) if k != 3)
_K_ARMS = {f"k{k}": Arm(replace(_PLACE, clusters=k), tuned_as="one-view") for k in _K}

LEAVING_OUT = Experiment(
    arms=LEAVING_OUT_ARMS,
    cells={
        "2000": Cell(2000, 100, _SEVEN),
        "7000": Cell(7000, 80, tuple(LEAVING_OUT_ARMS)),
        "all": Cell(None, 60, ("whole", "whole-4x", "all-views", "one-view", "rectangle")),
    },
    order=(
        ("2000", tuple(range(5))),
        ("7000", tuple(range(5))),
        ("2000", tuple(range(5, 10))),
        ("all", tuple(range(3))),
    ),
    tuned_in="2000",
)
"""results/plan_leaving_out.md."""

CLUSTERS_K = replace(
    LEAVING_OUT,
    arms=LEAVING_OUT_ARMS | _K_ARMS,
    cells={**LEAVING_OUT.cells, "7000": Cell(7000, 80, ("whole", "one-view", *_K_ARMS))},
    order=(("7000", tuple(range(5))),),
)
"""results/plan_clusters_k.md; it shares `whole` and `one-view` (K = 3) with `LEAVING_OUT`."""

_OWN = ("landmarks", "landmarks-of-others", "rectangle", "whole-4x")
_OTHERS = MethodConfig("landmark-regions", views="sample", at_random=True)

LANDMARKS = replace(
    LEAVING_OUT,
    arms=LEAVING_OUT_ARMS | {"landmarks-of-others": Arm(_OTHERS, tuned_as="one-view")},
    cells={
        "2000": Cell(2000, 100, (*_OWN, "one-view", "whole")),
        "7000": Cell(7000, 80, _OWN),
    },
    order=(("2000", tuple(range(10))), ("7000", tuple(range(5, 10)))),
)
"""results/plan_landmarks.md; with 2,000 faces it shares all arms without landmarks with
`LEAVING_OUT`, with 7,000 its replicates are new ones."""

_GRID = MethodConfig("hide-and-seek")
_HALF = replace(_ERASING, clusters=4, erased=(0.5, 0.5))
"""A rectangle of half of the face in four of five inputs: the dose of hide-and-seek."""
_FORM_ARMS = {
    f"{form}-{fill}": Arm(replace(method, fill=fill), tuned_as="rectangle")
    for form, method in (("grid", _GRID), ("half", _HALF))
    for fill in ("mean", "black")
}
_KNOWN = ("whole", "whole-4x", "rectangle", "landmarks")

FORMS = replace(
    LEAVING_OUT,
    arms=LEAVING_OUT_ARMS | _FORM_ARMS,
    cells={"2000": Cell(2000, 100, (*_FORM_ARMS, *_KNOWN))},
    order=(("2000", tuple(range(5))),),
)
"""results/plan_forms.md; it shares all arms but its own with `LEAVING_OUT` and `LANDMARKS`."""

IN_BOTH = ("whole", "rectangle", "one-view")
"""Arms that are trained in bfloat16 and in float32."""
_IN_FLOAT32 = {
    f"{arm}-float32": replace(LEAVING_OUT_ARMS[arm], tuned_as=arm, precision="float32")
    for arm in IN_BOTH
}

PRECISION = replace(
    LEAVING_OUT,
    arms=LEAVING_OUT_ARMS | _IN_FLOAT32,
    cells={"2000": Cell(2000, 100, (*IN_BOTH, *_IN_FLOAT32, "all-views", "light"))},
    order=(("2000", tuple(range(2, 6))),),
)
"""results/plan_precision.md; the arms as they were, whose `auto` was bfloat16 in these replicates,
are trainings of `LEAVING_OUT`."""

RIVALS_ARMS: dict[str, Arm] = {
    "whole-2x": Arm(MethodConfig("extra-epochs", views="pair"), factor=2),
    "eac": Arm(MethodConfig("eac"), weights=(0.05, 0.5, 5.0)),
    "eac-consistency": Arm(MethodConfig("eac", hidden_probability=0.0), weights=(0.05, 0.5, 5.0)),
    "eac-labels": Arm(MethodConfig("eac", mirror="label")),
    "eac-erasing": Arm(replace(_ERASING, clusters=1, fill="mean", erased=(0.02, 0.25)), factor=2),
    "mad": Arm(MethodConfig("mad"), factor=2, local_maps=2),
    "mad-maps": Arm(MethodConfig("extra-epochs", views="pair"), factor=2, local_maps=2),
    "adl": Arm(MethodConfig("adl"), factor=2),
    "adl-random": Arm(MethodConfig("adl", at_random=True), factor=2),
    "hide-and-seek": Arm(MethodConfig("hide-and-seek", fill="mean"), factor=2),
    "grid-mask": Arm(MethodConfig("grid-mask", fill="mean"), factor=2),
}
RIVALS = Experiment(
    arms=RIVALS_ARMS,
    cells={
        "2000": Cell(2000, 50, ()),
        "7000": Cell(7000, 80, tuple(RIVALS_ARMS)),
        "all-mixed": Cell(
            None,
            60,
            ("whole-2x",),
            recipe=replace(MIXED, keep="last", validate_every=10),
            rate=MIXED.learning_rate,
            best=Best(2, ("eac", "mad", "adl", "hide-and-seek", "grid-mask"), "7000"),
        ),
    },
    order=(
        ("7000", tuple(range(3))),
        ("all-mixed", tuple(range(3))),
        ("7000", tuple(range(3, 5))),
    ),
    tuned_in="2000",
)
"""results/plan_rivals.md."""

EXPERIMENTS = {
    "leaving-out": LEAVING_OUT,
    "landmarks": LANDMARKS,
    "rivals": RIVALS,
    "clusters": CLUSTERS_K,
    "forms": FORMS,
    "precision": PRECISION,
}
"""Name -> experiment."""
