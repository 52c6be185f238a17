"""What face masks cost, in words."""

from __future__ import annotations

from collections.abc import Sequence

from ferturb.report.form.tables import span
from ferturb.report.masks.pairs import MaskGroup, MaskPair, Phrases
from ferturb.report.model_results import ModelResult


def mask_headline(group: MaskGroup) -> str:
    """What face masks cost, and how much of it training with them saves."""
    singles = [pair for pair in group.pairs if not pair.whole_whole.is_ensemble]
    trained = [_loss(pair.whole_whole, pair.masks_masks) for pair in singles]
    untrained = [_loss(pair.whole_whole, pair.whole_masks) for pair in singles if pair.whole_masks]
    return masks_cost(group.phrases, trained, untrained)


def mask_sentences(pairs: Sequence[MaskPair], phrases: Phrases) -> list[str]:
    """One line a network: its accuracy on both kinds of faces, trained on either."""
    return [
        f"{pair.name}, trained on {phrases.whole}: "
        f"{_both(pair.whole_whole, pair.whole_masks, phrases)}. "
        f"Trained on {phrases.masks}: {_both(pair.masks_whole, pair.masks_masks, phrases)}."
        for pair in pairs
    ]


def masks_cost(phrases: Phrases, trained: Sequence[float], untrained: Sequence[float]) -> str:
    """The headline of losses of accuracy in points: trained with masks, and (if known) without."""
    w, m = phrases.whole, phrases.masks
    text = f"Trained and tested on {m}, accuracy is {_apart(trained)} {w}"
    if untrained:
        loses = f"loses {span(untrained)} points"
        change = loses if min(untrained) >= 0 else f"is {_apart(untrained)} that"
        text += f"; a network trained on {w} alone {change} when it meets {m}"
    return f"{text} (test split)."


def _apart(losses: Sequence[float]) -> str:
    """Losses in points as a place: "1.0 to 2.0 points below"."""
    if min(losses) >= 0:
        return f"{span(losses)} points below"
    gains = [-loss for loss in losses]
    if min(gains) >= 0:
        return f"{span(gains)} points above"
    return f"from {max(losses):.1f} points below to {max(gains):.1f} above"


def _both(on_whole: ModelResult | None, on_masks: ModelResult | None, phrases: Phrases) -> str:
    known = ((on_whole, phrases.whole), (on_masks, phrases.masks))
    shares = [(r.scores.accuracy.estimate, faces) for r, faces in known if r is not None]
    return ", ".join(f"{100 * share:.1f} % on {faces}" for share, faces in shares)


def _loss(first: ModelResult, second: ModelResult) -> float:
    """How many points of accuracy the second has less."""
    return 100 * (first.scores.accuracy.estimate - second.scores.accuracy.estimate)
