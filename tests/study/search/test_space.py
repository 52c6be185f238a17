from __future__ import annotations

from dataclasses import replace

import optuna
import pytest

from ferturb.base.config import FAST, ModelConfig, RunConfig, VggShape
from ferturb.base.errors import FerturbError
from ferturb.study.search.plan import Search
from ferturb.study.search.space import (
    DEFAULT_SPACE,
    SPACES,
    changed,
    named,
    parse,
    parse_all,
    value_of,
)

BASE = RunConfig()


def test_a_range_is_drawn_within_its_ends_by_the_fields_own_kind() -> None:
    whole = parse("recipe.batch_size=32..256:log", BASE)
    real = parse("recipe.augment.erase=0..0.6", BASE)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(0))
    for _ in range(50):
        trial = study.ask()
        batch, erase = whole.suggest(trial), real.suggest(trial)
        assert isinstance(batch, int)
        assert 32 <= batch <= 256
        assert 0 <= erase <= 0.6
        config = changed(BASE, {whole.field: batch, real.field: erase})
        assert (config.recipe.batch_size, config.recipe.augment.erase) == (batch, erase)
    drawn = [t.params["recipe.batch_size"] for t in study.trials]
    assert sum(b < 90 for b in drawn) > 15  # by the logarithm half are below 90.5


def test_whether_a_range_is_of_whole_numbers_is_told_by_the_fields_type() -> None:
    base = replace(BASE, recipe=replace(FAST, clip=1))
    clip = parse("recipe.clip=0.5..2", base)
    assert (clip.low, clip.high, clip.whole) == (0.5, 2.0, False)
    assert clip.holds(value_of(base, "recipe.clip"))
    crop = parse("recipe.augment.crop=32..48", BASE)  # None unless given
    assert (crop.low, crop.high, crop.whole) == (32, 48, True)
    assert not crop.holds(value_of(BASE, "recipe.augment.crop"))
    assert Search(BASE, ("recipe.augment.crop=32..48",)).first_values() is None
    assert parse("model.shape.width=12..40", RunConfig(model=ModelConfig("vgg-like"))).whole


def test_choices_may_be_lists_and_come_back_as_they_were() -> None:
    sizes = parse("recipe.progressive_sizes=[],[[0.5,32]]", BASE)
    assert sizes.choices == ([], [[0.5, 32]])
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(0))
    found = set()
    for _ in range(10):
        value = sizes.suggest(study.ask())
        found.add(changed(BASE, {sizes.field: value}).recipe.progressive_sizes)
    assert found == {(), ((0.5, 32),)}
    assert [sizes.value(sizes.stored(c)) for c in sizes.choices] == list(sizes.choices)


def test_nothing_but_the_named_fields_and_the_recipes_name_changes() -> None:
    config = changed(BASE, {"model.dropout": 0.3, "recipe.augment.rotate": 5.0})
    recipe = replace(FAST, name="searched", augment=replace(FAST.augment, rotate=5.0))
    assert config == replace(BASE, recipe=recipe, model=replace(BASE.model, dropout=0.3))
    assert value_of(config, "recipe.augment.rotate") == 5.0


def test_the_default_space_holds_the_default_recipe() -> None:
    dimensions = parse_all(DEFAULT_SPACE, BASE)
    assert all(d.holds(value_of(BASE, d.field)) for d in dimensions)
    assert not parse("recipe.momentum=0..0.5", BASE).holds(0.9)


def test_the_space_of_shapes_is_of_networks_that_can_be_built() -> None:
    base = RunConfig(model=ModelConfig("vgg-like"))
    dimensions = parse_all(named(["vgg-like"]), base)
    assert all(d.holds(value_of(base, d.field)) for d in dimensions)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(0))
    shapes = set()
    for _ in range(40):
        trial = study.ask()
        values = {d.field: d.suggest(trial) for d in dimensions}
        model = changed(base, values).model
        assert model.shape == VggShape(
            **{k.rpartition(".")[2]: v for k, v in values.items() if ".shape." in k}
        )
        assert RunConfig.from_dict(replace(base, model=model).to_dict()).model == model
        shapes.add((model.shape.first_kernel, model.shape.kernel, model.shape.blocks))
    assert len(shapes) > 10
    with pytest.raises(FerturbError, match="take the network vgg-like"):
        Search(BASE, SPACES["vgg-like"])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("recipe.learnin_rate=0.1..0.2", "did you mean 'learning_rate'"),
        ("dataset.clean=true,false", "unknown part of a run to search in 'dataset'"),
        ("recipe.augment=1,2", "fields of its own"),
        ("recipe.epochs=3..9", "can't vary recipe.epochs: .* give --epochs"),
        ("recipe.momentum", "says nothing to choose from"),
        ("recipe.momentum=a..b", "is a range of numbers"),
        ("recipe.batch_size=1.5..8", "is a range of whole numbers"),
        ("recipe.augment.crop=32.5..48", "is a range of whole numbers"),
        ("model.attention=0..1", "attention can't be 0.0; expected <class 'bool'>"),
        ("model.name=a..b", "is a range of numbers"),
        ("recipe.momentum=0.9..0.1", "to a higher one"),
        ("recipe.momentum=0..0.1:log", "above 0"),
        ("recipe.augment.rotate=0..inf", "rotate must be from 0.0 to 180.0, got inf"),
        ("recipe.augment.erase=0..5", "erase must be from 0.0 to 1.0, got 5.0"),
        ("recipe.label_smoothing=0..2", "label_smoothing must be from 0.0 to 1.0"),
        ("recipe.schedule=plateau,never", "schedule can't be 'never'"),
    ],
)
def test_what_cant_be_searched_is_one_line(text: str, said: str) -> None:
    with pytest.raises(FerturbError, match=said):
        parse(text, BASE)


def test_a_field_comes_once() -> None:
    with pytest.raises(FerturbError, match="each once"):
        parse_all(["model.dropout=0..0.1", "model.dropout=0..0.2"], BASE)
    with pytest.raises(FerturbError, match="got none"):
        parse_all([], BASE)
