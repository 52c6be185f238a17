"""The numbers of Cheng Qiu, "Leaving Some Facial Features Behind", arXiv 2411.00824.

Copied from the paper's tables; figure 5 is read off its plot. Nothing here is measured by
ferturb. A column of the paper is a *family* of networks: the paper does not say which depth of
ResNet, DenseNet or DPN it used.
"""

from __future__ import annotations

import re

from ferturb.base.emotions import EMOTIONS

TITLE = "Leaving Some Facial Features Behind"
AUTHOR = "Cheng Qiu"
LINK = "https://arxiv.org/abs/2411.00824"

ENSEMBLE = "Ensemble"
FAMILIES: tuple[str, ...] = ("DenseNet", "DPN", "ResMasking", "ResNet", "VGG16", ENSEMBLE)

_NAMES: dict[str, str] = {
    r"densenet\d+(-pool)?": "DenseNet",
    r"dpn\d+(-pool)?": "DPN",
    r"resmasking(18)?(-half)?": "ResMasking",
    r"resnet\d+": "ResNet",
    r"vgg16(-half)?": "VGG16",
}

TABLE_1: dict[str, dict[str, float]] = {
    emotion: dict(zip(FAMILIES, row, strict=True))
    for emotion, row in {
        "angry": (-39, -35, -32, -20, -23, -32),
        "happy": (-49, -63, -42, -55, -35, -42),
        "sad": (-12, -24, -4, -16, -8, -4),
        "neutral": (-51, -60, -53, -60, -43, -53),
        "surprise": (-19, -26, -35, -19, -20, -35),
        "disgust": (-49, -59, -39, -49, -49, -39),
        "fear": (-20, -23, -13, -18, -17, -13),
    }.items()
}
"""Change of per-emotion accuracy, trained on MaskFer against FER2013, percent of the latter."""

TABLE_2: dict[tuple[str, str], tuple[float, float]] = {
    ("DenseNet", "baseline"): (0.726, 0.70),
    ("DPN", "baseline"): (0.712, 0.68),
    ("ResMasking", "baseline"): (0.66, 0.63),
    ("ResNet", "baseline"): (0.692, 0.685),
    ("VGG16", "baseline"): (0.665, 0.653),
    (ENSEMBLE, "baseline"): (0.734, 0.71),
    ("DPN", "perturb"): (0.719, 0.69),
    ("ResNet", "perturb"): (0.723, 0.70),
    ("VGG16", "perturb"): (0.695, 0.66),
}
"""("accuracy", F1) on FER2013's test split, shares; what is absent was not run.

What the paper calls accuracy is macro recall: see `what_accuracy_means`.
"""

TABLE_3: dict[str, dict[str, float]] = {
    emotion: dict(zip(("DPN", "ResNet", "VGG16"), row, strict=True))
    for emotion, row in {
        "angry": (0.8, 3.5, 12.0),
        "happy": (2.0, 1.0, -1.0),
        "sad": (1.5, 1.5, -17.0),
        "neutral": (1.4, -0.6, 2.2),
        "surprise": (-0.5, 2.1, 1.6),
        "disgust": (-3.6, 5.6, 5.0),
        "fear": (3.0, 8.4, 18.0),
    }.items()
}
"""Change of per-emotion accuracy with the Perturb Scheme, points."""

MEASURE = "The paper's “accuracy” is macro recall, so it stands beside macro recall."

FIGURE_5: dict[int, float] = {1: 0.664, 2: 0.664, 3: 0.695, 4: 0.680, 5: 0.692, 6: 0.695}
"""VGG16's accuracy (macro recall, as in Table 2) by number of clusters K, read off the plot."""


def figure_5_changes() -> dict[int, float]:
    """Figure 5 against VGG16's own baseline in Table 2, by K: points of macro recall."""
    baseline = TABLE_2["VGG16", "baseline"][0]
    return {k: 100 * (share - baseline) for k, share in FIGURE_5.items()}


TENSIONS: tuple[str, ...] = (
    "The abstract reports “up to an 85 % accuracy drop” for happy and surprise; the largest drop "
    "in the paper's Table 1 is 63 % (happy, DPN), and surprise drops by at most 35 %.",
    "The abstract reports a slight improvement for disgust under a mask; in Table 1 disgust drops "
    "by 39 to 59 % in every column.",
    "The text reports a slight increase for sad under a mask; in Table 1 sad drops by 4 to 24 %.",
    "Table 1's Ensemble column equals its ResMasking column in all seven rows.",
    "The text says the Perturb Scheme is better “cross all emotion class”; 5 of the 21 entries of "
    "Table 3 are negative, among them sad with VGG16 (−17).",
    "The paper gives no intervals and no number of seeds. With 3,589 test faces, one accuracy near "
    "70 % carries ±1.5 points from the choice of the faces alone; macro recall, a seventh of which "
    "rests on 55 faces of disgust, carries more than ±2.",
)
"""Places where the paper disagrees with itself or leaves a number open."""


def family(model: str) -> str | None:
    """The paper's column for one of our model names, or None.

    >>> family("resnet18"), family("dpn26"), family("compact"), family("Ensemble")
    ('ResNet', 'DPN', None, 'Ensemble')
    """
    if model == ENSEMBLE:
        return ENSEMBLE
    return next((name for form, name in _NAMES.items() if re.fullmatch(form, model)), None)


def change(name: str) -> float | None:
    """Table 2's change with the Perturb Scheme, points of macro recall; None where not run.

    >>> change("ResNet"), change("DenseNet")
    (3.1, None)
    """
    before, after = TABLE_2.get((name, "baseline")), TABLE_2.get((name, "perturb"))
    return round(100 * (after[0] - before[0]), 1) if before and after else None


def change_of(model: str, method: str) -> float | None:
    """`change` for one of our model names; None for another method than "perturb"."""
    found = family(model)
    return change(found) if found and method == "perturb" else None


def mean_change(name: str) -> float:
    """The unweighted mean of Table 3's changes over the seven emotions, points.

    >>> [round(mean_change(name), 2) for name in ("DPN", "ResNet", "VGG16")]
    [0.66, 3.07, 2.97]
    """
    return sum(TABLE_3[emotion][name] for emotion in EMOTIONS) / len(EMOTIONS)


def what_accuracy_means() -> str:
    """Why the paper's accuracy is macro recall: Table 3 adds up to Table 2 as a plain mean."""
    sums = ", ".join(
        f"{name} {mean_change(name):.2f} for {change(name):.1f}" for name in TABLE_3[EMOTIONS[0]]
    )
    return (
        "What the paper calls accuracy is macro recall, the mean of the seven per-emotion "
        f"accuracies: the plain mean of Table 3's changes is Table 2's change ({sums} points). Its "
        "numbers are compared with macro recall here, not with the share of all faces that are "
        "named right."
    )
