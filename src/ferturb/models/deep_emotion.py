"""Deep-Emotion: four small convolutions behind a spatial transformer; 66,877 parameters.

After Minaee, Minaei and Abdolrashidi, "Deep-Emotion: Facial Expression Recognition Using
Attentional Convolutional Network", Sensors 21:3046, 2021 (arXiv 1902.01019), which claims 70.0 % on
FER2013. There is no program of theirs; the layers are those of the unofficial one that is used
(omarsayed7/Deep-Emotion), where users report 47 to 55 %. 48 -> 46 -> 44 -> 22 -> 20 -> 18 -> 9.

- `deep_emotion()`: as in that program, the transformer gives the network the part of the face that
  it has found.
- `deep_emotion(streams=True)`: as we read the paper's figure, the network sees the whole face, and
  the two streams meet behind the convolutions, where the transformer samples their maps. The paper
  gives no more of it; the choice is ours.

Different from that program: the dropout acts in training alone (there in tests too, by an
oversight); pixels are centred and scaled by FER2013's grey. Faces of another side than 48 pixels
are resized: the fully connected layer has a fixed number of inputs.
"""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from ferturb.models.spatial_transformer import SIDE, SpatialTransformer, at_side
from ferturb.models.stages import Staged

CHANNELS, UNITS = 10, 50


class Front(nn.Module):
    """The face at 48 pixels, sampled where the transformer says."""

    def __init__(self) -> None:
        super().__init__()
        self.transformer = SpatialTransformer()

    def forward(self, faces: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 1 48 48"]:
        """The part of each face that is looked at."""
        return self.transformer(at_side(faces, SIDE))  # type: ignore[no-any-return]


class Streams(nn.Module):
    """The convolutions' maps of the whole face, sampled where the transformer says."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(_stage(1), _stage(CHANNELS, norm=True))
        self.transformer = SpatialTransformer()

    def forward(self, faces: Float[Tensor, "b 1 h w"]) -> Float[Tensor, "b 10 9 9"]:
        """The part of the maps that is looked at."""
        faces = at_side(faces, SIDE)
        return self.transformer(faces, self.features(faces))  # type: ignore[no-any-return]


def deep_emotion(streams: bool = False) -> Staged:
    """Deep-Emotion, its transformer in front or where the streams meet.

    A stage is two convolutions, a pool and ReLU. With `streams` nothing runs one after the other,
    so there are no stages, and attention can't sit between them.
    """
    dense = [nn.Flatten(), nn.Linear(CHANNELS * 9 * 9, UNITS), nn.ReLU()]
    tail = nn.Sequential(nn.Dropout(0.5), *dense, nn.Unflatten(1, (UNITS, 1, 1)))
    if streams:
        return Staged(Streams(), [], tail, UNITS)
    return Staged(Front(), [_stage(1), _stage(CHANNELS, norm=True)], tail, UNITS)


def _stage(channels_in: int, norm: bool = False) -> nn.Sequential:
    """Two 3×3 convolutions without a rim; the second one's pool comes before its ReLU."""
    first, second = nn.Conv2d(channels_in, CHANNELS, 3), nn.Conv2d(CHANNELS, CHANNELS, 3)
    norms = [nn.BatchNorm2d(CHANNELS)] if norm else []
    return nn.Sequential(first, nn.ReLU(), second, *norms, nn.MaxPool2d(2), nn.ReLU())
