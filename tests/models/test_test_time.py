from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torchvision.transforms import functional as tv

from ferturb.base.config import ModelConfig
from ferturb.base.errors import FerturbError
from ferturb.models.classifier import Classifier
from ferturb.models.inference import logits_of
from ferturb.models.test_time import AUGMENTATIONS, predict_logits


def images(n: int = 9, side: int = 48) -> Tensor:
    generator = torch.Generator().manual_seed(2)
    return torch.randint(0, 256, (n, side, side), generator=generator, dtype=torch.uint8)


@pytest.fixture
def model(tiny: str) -> Classifier:
    torch.manual_seed(0)
    classifier = Classifier(ModelConfig(tiny, dropout=0.5))
    for _ in range(3):  # running statistics that are not the initial ones
        classifier(torch.rand(8, 1, 48, 48))
    return classifier.eval()


def forward(model: nn.Module, faces: Tensor) -> Tensor:
    with torch.no_grad():
        return model(faces)


def test_none_is_one_forward_pass_whatever_the_batches(model: Classifier) -> None:
    expected = forward(model, images()[:, None].float() / 255)
    for batch_size in (1, 4, 100):
        got = predict_logits(model, images(), batch_size=batch_size)
        torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)
    assert got.dtype == torch.float32


def test_flip_is_the_mean_of_two_passes(model: Classifier) -> None:
    faces = images()[:, None].float() / 255
    expected = (forward(model, faces) + forward(model, faces.flip(3))) / 2
    got = predict_logits(model, images(), "flip")
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)
    mirrored = predict_logits(model, images().flip(2), "flip")
    torch.testing.assert_close(mirrored, got, atol=1e-5, rtol=1e-5)
    assert not torch.allclose(got, predict_logits(model, images()), atol=1e-3)


def test_ten_crop_is_torchvisions(model: Classifier) -> None:
    faces = images()[:, None].float() / 255
    crops = tv.ten_crop(faces, [40, 40])
    expected = torch.stack([forward(model, crop) for crop in crops]).mean(0)
    got = predict_logits(model, images(), "ten-crop")
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)


def test_ten_crop_has_torchvisions_crops_and_no_others() -> None:
    faces = torch.rand(2, 1, 48, 48)
    ours = AUGMENTATIONS["ten-crop"](faces)
    theirs = list(tv.ten_crop(faces, [40, 40]))
    assert len(ours) == 10
    assert all(sum(torch.equal(a, b) for b in theirs) == 1 for a in ours)
    assert {c.shape[-1] for c in AUGMENTATIONS["ten-crop"](torch.rand(1, 1, 96, 96))} == {80}


def test_zoom_is_the_face_and_torchvisions_two_others_with_their_mirrors(
    model: Classifier,
) -> None:
    faces = images()[:, None].float() / 255
    views = AUGMENTATIONS["zoom"](faces)
    assert torch.equal(views[0], faces)
    for view, factor in zip(views[1:3], (0.92, 1.08), strict=True):
        theirs = tv.affine(
            faces, 0, [0, 0], factor, [0.0, 0.0], interpolation=tv.InterpolationMode.BILINEAR
        )
        inner = slice(3, -3)  # torchvision's rim is black
        torch.testing.assert_close(
            view[..., inner, inner], theirs[..., inner, inner], atol=1e-4, rtol=0
        )
    assert all(torch.equal(b, a.flip(3)) for a, b in zip(views[:3], views[3:], strict=True))
    expected = torch.stack([forward(model, view) for view in views]).mean(0)
    got = predict_logits(model, images(), "zoom")
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=1e-5)


def test_zoom_leaves_a_grey_face_as_it_is_to_the_rim() -> None:
    grey = torch.full((1, 1, 48, 48), 0.4)
    assert all(torch.allclose(view, grey) for view in AUGMENTATIONS["zoom"](grey))


@pytest.mark.parametrize("training", [True, False])
def test_the_model_predicts_in_evaluation_mode_and_is_left_as_it_was(
    model: Classifier, training: bool
) -> None:
    expected = predict_logits(model, images(), "flip")
    before = {k: v.clone() for k, v in model.state_dict().items()}
    model.train(training)
    for call in (
        lambda: predict_logits(model, images(), "flip"),
        lambda: logits_of(model, images()),
    ):
        logits = call()
        assert not logits.requires_grad
        assert model.training is training
        assert all(m.training is training for m in model.modules())
    assert torch.equal(predict_logits(model, images(), "flip"), expected)
    for key, value in model.state_dict().items():
        assert torch.equal(value, before[key])


def test_frozen_parts_stay_in_evaluation_mode(model: Classifier) -> None:
    model.train()
    model.backbone.eval()
    logits_of(model, images())
    assert model.training
    assert not any(m.training for m in model.backbone.modules())


class There(nn.Module):
    """A network on a device that stands in for a GPU; it answers from here."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1, device="meta"))
        self.seen = torch.device("cpu")

    def forward(self, faces: Tensor) -> Tensor:
        self.seen = faces.device
        return torch.zeros(len(faces), 7)


def test_faces_are_sent_to_where_the_model_is() -> None:
    model = There()
    assert predict_logits(model, images()).shape == (9, 7)
    assert model.seen == torch.device("meta")


def test_no_faces_give_no_logits(model: Classifier) -> None:
    for name in AUGMENTATIONS:
        assert predict_logits(model, images(0), name).shape == (0, 7)


def test_an_unknown_augmentation_is_named(model: Classifier) -> None:
    with pytest.raises(
        FerturbError, match="unknown test-time augmentation 'tencrop': did you mean"
    ):
        predict_logits(model, images(), "tencrop")


def test_bfloat16_is_near_float32(model: Classifier) -> None:
    exact = predict_logits(model, images())
    near = predict_logits(model, images(), precision="bfloat16")
    assert near.dtype == torch.float32
    assert not torch.equal(near, exact)
    torch.testing.assert_close(near, exact, atol=0.05, rtol=0.05)
