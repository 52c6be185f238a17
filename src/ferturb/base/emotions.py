"""The seven emotions, their order, and the names other datasets give them.

The order is FER2013's (Goodfellow et al., "Challenges in Representation Learning", 2013);
every logit, label, table and figure of ferturb uses it.
"""

from __future__ import annotations

EMOTIONS: tuple[str, ...] = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
"""Index = label. FER2013's order."""
VOTES: tuple[str, ...] = (
    *("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt"),
    *("unknown", "nf"),
)
"""What ten people could call a face in FER+ (Barsoum et al., 2016), in the order of their file;
"nf" is no face."""

_ALIASES: dict[str, str] = {
    "anger": "angry",
    "angr": "angry",
    "an": "angry",
    "disgusted": "disgust",
    "di": "disgust",
    "afraid": "fear",
    "fearful": "fear",
    "scared": "fear",
    "fe": "fear",
    "happiness": "happy",
    "happyness": "happy",
    "joy": "happy",
    "smile": "happy",
    "ha": "happy",
    "sadness": "sad",
    "sa": "sad",
    "surprised": "surprise",
    "suprise": "surprise",
    "su": "surprise",
    "neutrality": "neutral",
    "calm": "neutral",
    "ne": "neutral",
}


def emotion_label(name: str) -> int | None:
    """Label 0 … 6 of an emotion's name, or None for any other name.

    Case, surrounding space, and a leading number or separator (``0_angry``, ``3-happiness``)
    do not matter. A bare number is not a name: datasets number their emotions differently.

    >>> emotion_label("Happiness"), emotion_label("03_sadness"), emotion_label("contempt")
    (3, 4, None)
    """
    word = name.strip().lower().strip("0123456789 _-.")
    word = _ALIASES.get(word, word)
    return EMOTIONS.index(word) if word in EMOTIONS else None
