from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ferturb.base.config import AugmentConfig, ModelConfig, RecipeConfig, RunConfig
from ferturb.base.errors import FerturbError
from ferturb.data.drawn.synthetic import synthetic_faces
from ferturb.models.classifier import Classifier
from ferturb.runs.execute import execute_run, prepared
from ferturb.runs.fitting import speed_of
from ferturb.training.sides import require_sides, shown_sides, training_size

CPU = torch.device("cpu")
RECIPE = RecipeConfig(epochs=10, progressive_sizes=((0.3, 24), (0.7, 32)), evaluate=("none",))


def test_progressive_resizing() -> None:
    sides = [training_size(RECIPE, epoch, 48) for epoch in range(1, 11)]
    assert sides == [24] * 3 + [32] * 4 + [48] * 3
    assert training_size(RecipeConfig(), 1, 40) == 40


def test_the_sides_shown_are_those_of_every_epoch_and_of_the_tests() -> None:
    assert shown_sides(RECIPE, 48) == {24, 32, 48}
    for epochs in (1, 2, 3, 4, 10, 50):
        recipe = replace(RECIPE, epochs=epochs)
        each = {training_size(recipe, epoch, 48) for epoch in range(1, epochs + 1)}
        assert shown_sides(recipe, 48) == each | {48}
    assert shown_sides(replace(RECIPE, progressive_sizes=((1.0, 24),)), 48) == {24, 48}
    assert shown_sides(replace(RECIPE, augment=AugmentConfig(crop=36)), 48) == {36, 48}
    assert shown_sides(replace(RECIPE, evaluate=("ten-crop",)), 96) == {24, 32, 96, 80}
    whole = replace(RECIPE, validate_with="ten-crop", progressive_sizes=())
    assert shown_sides(whole, 48) == {48, 40}


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("vgg16-half", {"progressive_sizes": ((0.5, 16),)}),
        ("resmasking18-half", {"progressive_sizes": ((0.5, 16),)}),
        ("vgg16-half", {"augment": AugmentConfig(crop=16)}),
    ],
)
def test_a_side_that_a_network_cant_take_is_refused_before_the_training(
    name: str, change: dict[str, object], tmp_path: Path
) -> None:
    recipe = RecipeConfig(epochs=2, batch_size=16, **change)  # type: ignore[arg-type]
    faces, config = synthetic_faces(70), RunConfig(model=ModelConfig(name), recipe=recipe)

    def trained() -> None:
        with prepared(tmp_path / "runs", config) as run:
            execute_run(run, faces, on_step=lambda _: pytest.fail("trained"))

    said = f"{name} can't take the faces of 16×16 pixels .* Output size is too small"
    for refused in (trained, lambda: speed_of(config, faces, CPU)):
        with pytest.raises(FerturbError, match=said) as caught:
            refused()
        assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_looking_at_the_sides_changes_nothing(tiny: str) -> None:
    network = Classifier(ModelConfig(tiny)).train()
    before, drawn = network.state_dict(), torch.random.get_rng_state()
    kept = {name: tensor.clone() for name, tensor in before.items()}
    modes = [module.training for module in network.modules()]
    require_sides(network, RECIPE, 48, CPU)
    assert all(torch.equal(kept[name], tensor) for name, tensor in network.state_dict().items())
    assert [module.training for module in network.modules()] == modes
    assert torch.equal(drawn, torch.random.get_rng_state())
