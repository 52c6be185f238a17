from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from ferturb.base.emotions import EMOTIONS
from ferturb.base.errors import FerturbError
from ferturb.models.class_names import classes_of
from ferturb.models.test_time import predict_logits
from ferturb.models.wrapped import InputForm, Wrapped

OWN = classes_of(EMOTIONS)


def faces(n: int = 3, side: int = 48, channels: int = 1) -> Tensor:
    return torch.rand(n, channels, side, side, generator=torch.Generator().manual_seed(2))


def linear(classes: int = 7, channels: int = 1, side: int = 48) -> nn.Module:
    torch.manual_seed(4)
    return nn.Sequential(nn.Flatten(), nn.Linear(channels * side * side, classes))


def test_a_plain_network_of_the_same_form_gives_the_same_bits() -> None:
    network, x = linear(), faces()
    assert torch.equal(Wrapped(network, OWN)(x), network(x))


def test_the_order_of_the_outputs_is_the_names_alone() -> None:
    names = ["neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt"]
    network, x = linear(8), faces()
    found, given = Wrapped(network, classes_of(names))(x), network(x)
    for emotion, place in {"angry": 6, "happy": 1, "neutral": 0, "sad": 2, "disgust": 5}.items():
        assert torch.equal(found[:, EMOTIONS.index(emotion)], given[:, place])


def test_an_emotion_that_a_model_does_not_know_is_never_named() -> None:
    classes = classes_of([e for e in EMOTIONS if e != "disgust"])
    shares = Wrapped(linear(6), classes)(faces()).softmax(1)
    assert shares[:, EMOTIONS.index("disgust")].max() < 1e-11
    torch.testing.assert_close(shares.sum(1), torch.ones(3))


def test_probabilities_come_back_as_they_are() -> None:
    network, x = nn.Sequential(linear(), nn.Softmax(1)), faces()
    model = Wrapped(network, OWN)
    assert model.gives_probabilities
    torch.testing.assert_close(model(x).softmax(1), network(x))
    assert not Wrapped(linear(), OWN).gives_probabilities


def test_a_function_gets_arrays_and_is_told_apart_from_a_network() -> None:
    network, seen = linear(), []

    def ask(x: np.ndarray) -> list[list[float]]:
        seen.append((x.dtype, x.shape))
        given: list[list[float]] = network(torch.from_numpy(x)).tolist()
        return given

    x = faces()
    torch.testing.assert_close(Wrapped(ask, OWN)(x), network(x))
    assert seen[-1] == (np.float32, (3, 1, 48, 48))


def test_a_face_is_prepared_as_pillow_and_by_hand() -> None:
    form = InputForm(side=24, channels=3, mean=(0.5, 0.4, 0.3), std=(0.2, 0.3, 0.4))
    grey = faces(1)
    pillow = Image.fromarray(grey[0, 0].numpy(), mode="F").resize(
        (24, 24), Image.Resampling.BILINEAR
    )
    found = form.prepared(grey)
    for channel in range(3):
        expected = (np.asarray(pillow) - form.mean[channel]) / form.std[channel]
        np.testing.assert_allclose(found[0, channel].numpy(), expected, atol=1e-5)


def test_colour_is_made_grey_as_pillow_does() -> None:
    colour = faces(1, channels=3)
    levels = (colour[0].permute(1, 2, 0) * 255).round().to(torch.uint8)
    pillow = np.asarray(Image.fromarray(levels.numpy()).convert("L"))
    found = InputForm().prepared(levels.permute(2, 0, 1)[None] / 255)
    assert abs(found[0, 0].numpy() * 255 - pillow).max() <= 1


def test_grey_levels_up_to_255_are_a_std() -> None:
    x = faces()
    torch.testing.assert_close(InputForm(std=(1 / 255,)).prepared(x), x * 255)


def test_many_large_faces_go_through_in_parts() -> None:
    sizes = []

    class Sized(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            sizes.append(len(x))
            return x.mean((2, 3)) * torch.linspace(-1, 1, 7)

    model = Wrapped(Sized(), OWN, InputForm(side=224))
    images = torch.randint(0, 256, (40, 48, 48), dtype=torch.uint8)
    found = predict_logits(model, images)
    assert model.at_a_time == 16
    assert sizes[1:] == [16, 16, 8]
    torch.testing.assert_close(found[20:22], predict_logits(model, images[20:22]))


@pytest.mark.parametrize(
    ("network", "form", "reason"),
    [
        (linear(8), InputForm(), r"7 classes .* should give floats \(4, 7\), but gives .*\(4, 8\)"),
        (linear(side=64), InputForm(), r"could not be run on faces \(4, 1, 48, 48\)"),
        (nn.Sequential(linear(), nn.Sigmoid()), InputForm(), "neither logits nor probabilities"),
        (lambda x: 1 / 0, InputForm(), "division by zero"),
        (lambda x: np.full((len(x), 7), np.nan), InputForm(), "not finite"),
        (lambda x: "text", InputForm(), "could not be run"),
    ],
)
def test_a_model_of_another_form_is_refused(
    network: nn.Module, form: InputForm, reason: str
) -> None:
    with pytest.raises(FerturbError, match=reason):
        Wrapped(network, OWN, form)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"side": 8}, "from 16 to 1024"),
        ({"channels": 2}, r"1 channel \(grey\) or 3"),
        ({"channels": 3, "mean": (0.1, 0.2)}, "one for each of 3"),
        ({"std": (0.0,)}, "above 0"),
        ({"mean": (float("nan"),)}, "mean is one number"),
    ],
)
def test_a_form_that_can_not_be_is_refused(arguments: dict[str, object], reason: str) -> None:
    with pytest.raises(FerturbError, match=reason):
        InputForm(**arguments)  # type: ignore[arg-type]


def test_a_layer_that_is_not_there_is_refused() -> None:
    with pytest.raises(FerturbError, match=r"has no layer 'conv'; give .* begin with: 0, 1"):
        Wrapped(linear(), OWN, target_layer="conv")
