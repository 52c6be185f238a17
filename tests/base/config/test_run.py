from __future__ import annotations

import dataclasses
import json
import math
import subprocess
import sys
import typing
from dataclasses import replace

import pytest

from ferturb.base.config import (
    BOOSTING,
    FAST,
    LINEAR_SVM,
    PAPER,
    RECIPES,
    AblationOptions,
    AugmentConfig,
    BenchmarkOptions,
    DatasetConfig,
    FaithfulnessOptions,
    MethodConfig,
    ModelConfig,
    RecipeConfig,
    RunConfig,
    SaliencyOptions,
    VotesConfig,
    choose,
    unknown,
)
from ferturb.base.config.changes import Changes
from ferturb.base.config.fields import fits
from ferturb.base.errors import FerturbError

ODD = RunConfig(
    DatasetConfig("faces.zip", clean=True, fer_plus="new.csv"),
    ModelConfig("vgg16", attention=True, dropout=0.3),
    MethodConfig("perturb", clusters=5, views="sample", test_views=False),
    replace(PAPER, progressive_sizes=((0.25, 24), (0.5, 32)), evaluate=("ten-crop",)),
    seed=7,
    attention_run="phase-1",
)


@pytest.mark.parametrize("config", [RunConfig(), ODD, RunConfig(recipe=PAPER)])
def test_config_goes_to_json_and_back_without_loss(config: RunConfig) -> None:
    back = RunConfig.from_dict(json.loads(json.dumps(config.to_dict())))
    assert back == config
    assert back.fingerprint() == config.fingerprint()
    assert hash(back) == hash(config)  # tuples came back as tuples, at every depth


def test_missing_keys_take_the_default() -> None:
    assert RunConfig.from_dict({}) == RunConfig()
    data = {"model": {"name": "vgg16"}, "recipe": {"progressive_sizes": [[0.5, 32]]}}
    expected = RunConfig(
        model=ModelConfig("vgg16"), recipe=RecipeConfig(progressive_sizes=((0.5, 32),))
    )
    assert RunConfig.from_dict(data) == expected


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"sead": 1}, "RunConfig has no field 'sead'.*seed"),
        ({"recipe": {"augment": {"flop": 1}}}, "AugmentConfig has no field 'flop'"),
    ],
)
def test_an_unknown_key_is_named(data: dict[str, object], words: str) -> None:
    with pytest.raises(FerturbError, match=words):
        RunConfig.from_dict(data)


def test_fingerprint_is_the_same_everywhere_and_forever() -> None:
    """Run folders are named by it, so a change here orphans every run on disk."""
    fixed = RunConfig(
        DatasetConfig(), ModelConfig(), MethodConfig(), RecipeConfig(), seed=0, attention_run=None
    )
    code = (
        "from ferturb.base.config import *; print(RunConfig(recipe=RecipeConfig()).fingerprint())"
    )
    elsewhere = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert fixed.fingerprint() == elsewhere == "5e5fbf8b2105"


def test_a_field_that_is_added_changes_no_fingerprint_at_its_default() -> None:
    @dataclasses.dataclass(frozen=True)
    class Grown(DatasetConfig):
        added: tuple[str, ...] = ()

    plain = RunConfig(DatasetConfig("faces.zip", clean=True))
    assert RunConfig(Grown("faces.zip", clean=True)).fingerprint() == plain.fingerprint()
    assert RunConfig(Grown("faces.zip", True, added=("x",))).fingerprint() != plain.fingerprint()


SHARES = {
    "mixing_probability",
    "view_probability",
    "label_smoothing",
    "attention_threshold",
    "hidden_probability",
    "distillation",
    "share",
    "chance",
    "momentum",
    "warmup",
    "plateau_factor",
    "average",
    "flip",
    "scale",
    "shift",
    "shear",
    "brightness",
    "contrast",
    "gain",
    "erase",
}
"""Fields from 0 to 1."""
NAMED: dict[str, object] = {
    "channels": 3,
    "face_masks": "n95",
    "left_out": "mouth",
    "left_out_fill": "blur",
    "training_faces": 70,
    "erased": (0.1, 0.2),
    "heads": ("label", "votes"),
    "cut": (0.8, 1.2),
}
"""Fields that do not take any value."""
ALONE = {
    ("dataset", "left_out_control"),
    ("recipe", "validate_every"),
    ("model", "attention_at"),
}
"""What is refused, or means nothing, without a change of another field."""


_CROPPED = replace(FAST, augment=replace(FAST.augment, crop=40))
WITH = {
    "validate_every": RunConfig(recipe=replace(FAST, keep="last")),
    "left_out_cluster": RunConfig(method=MethodConfig("perturb", views="sample")),
    "crops": RunConfig(recipe=_CROPPED),
}
"""What allows every other value of a field."""


def leaves(config: object, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = []
    for f in dataclasses.fields(config):  # type: ignore[arg-type]
        value = getattr(config, f.name)
        inner = dataclasses.is_dataclass(value)
        found += leaves(value, (*path, f.name)) if inner else [(*path, f.name)]
    return found


def changed(config: object, path: tuple[str, ...]) -> object:
    value = getattr(config, path[0])
    new: object
    if path[0] in NAMED:
        new = NAMED[path[0]]
    elif len(path) > 1:
        new = changed(value, path[1:])
    elif isinstance(value, bool):
        new = not value
    elif isinstance(value, (int, float)):
        new = 0.375 if path[0] in SHARES else value + 1
    else:
        hint = typing.get_type_hints(type(config))[path[0]]
        candidates = (*typing.get_args(hint), "changed", 40, (), ("x",), ((0.5, 32),))
        fitting = [one for one in candidates if fits(hint, one) and one not in (value, None)]
        new = fitting[0]
    return replace(config, **{path[0]: new})  # type: ignore[type-var]


def value_at(config: object, path: tuple[str, ...]) -> object:
    for name in path:
        config = getattr(config, name)
    return config


def with_value(config: object, path: tuple[str, ...], value: object) -> object:
    name, *rest = path
    new = with_value(getattr(config, name), tuple(rest), value) if rest else value
    return replace(config, **{name: new})  # type: ignore[type-var]


@pytest.mark.usefixtures("no_shape_checks")
@pytest.mark.parametrize("path", [p for p in leaves(RunConfig()) if p not in ALONE], ids=".".join)
def test_every_field_counts_in_the_fingerprint(path: tuple[str, ...]) -> None:
    plain = WITH.get(path[-1], RunConfig())
    other = changed(plain, path)
    assert isinstance(other, RunConfig)
    assert other.fingerprint() != plain.fingerprint()
    assert other != plain


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: MethodConfig(clusters=0), "clusters must be from 1 to 64, got 0"),
        (lambda: MethodConfig(clusters=65), "clusters must be from 1 to 64, got 65"),
        (lambda: MethodConfig(attention_threshold=1.1), "attention_threshold .* from 0.0 to 1.0"),
        (lambda: MethodConfig(attention_faces=0), "attention_faces must be at least 1, got 0"),
        (lambda: RecipeConfig(epochs=0), "epochs must be at least 1, got 0"),
        (lambda: RecipeConfig(batch_size=1), "batch_size must be at least 2, got 1"),
        (lambda: RecipeConfig(label_smoothing=-0.1), "label_smoothing must be from 0.0 to 1.0"),
        (lambda: RecipeConfig(weight_decay=-1), "weight_decay must be at least 0.0, got -1"),
        (lambda: RecipeConfig(plateau_patience=-1), "plateau_patience must be at least 0, got -1"),
        (lambda: RecipeConfig(progressive_sizes=((0.5, 2000),)), "smaller .* from 16 to 1024"),
        (lambda: RecipeConfig(progressive_sizes=((0.5, 24), (0.5, 32))), "rising ones, got 0.5, "),
        (lambda: RecipeConfig(progressive_sizes=((0.7, 24), (0.3, 32))), "rising ones, got 0.7, "),
        (lambda: replace(LINEAR_SVM, weight_decay=0), "decay of linear-svm must be at least 1e-09"),
        (lambda: replace(BOOSTING, learning_rate=0), "rate of boosting must be at least 1e-09"),
        (lambda: AugmentConfig(rotate=-1), "rotate must be from 0.0 to 180.0, got -1"),
        (lambda: AugmentConfig(crop=0), "crop must be at least 1, got 0"),
        (lambda: AugmentConfig(cut=(0.5, math.inf)), "largest area of a cut must be .* got inf"),
        (lambda: DatasetConfig(synthetic_faces=0), "synthetic_faces must be at least 1, got 0"),
        (lambda: ModelConfig(local_maps=65), "local_maps must be from 0 to 64, got 65"),
    ],
)
def test_values_out_of_range_are_refused(make: object, words: str) -> None:
    with pytest.raises(FerturbError, match=words):
        make()  # type: ignore[operator]


NUMBERS = [path for path in leaves(RunConfig()) if type(value_at(RunConfig(), path)) is float]


@pytest.mark.parametrize("value", [-0.5, math.nan, math.inf])
@pytest.mark.parametrize("path", NUMBERS, ids=".".join)
def test_no_number_is_negative_or_endless(path: tuple[str, ...], value: float) -> None:
    with pytest.raises(FerturbError, match=" must be "):
        with_value(RunConfig(), path, value)


@pytest.mark.parametrize("name", sorted(SHARES))
@pytest.mark.parametrize("value", [0, 1])
def test_the_ends_of_shares_are_taken(name: str, value: int) -> None:
    (path,) = (path for path in leaves(RunConfig()) if path[-1] == name)
    assert value_at(with_value(RunConfig(), path, value), path) == value


@pytest.mark.usefixtures("no_shape_checks")
@pytest.mark.parametrize(
    "make",
    [
        lambda: VotesConfig(others="drop"),  # type: ignore[arg-type]
        lambda: VotesConfig(share="half"),  # type: ignore[arg-type]
        lambda: AblationOptions(controls="four"),  # type: ignore[arg-type]
        lambda: AblationOptions(seed=0.5),  # type: ignore[arg-type]
        lambda: BenchmarkOptions(workers=1.5),  # type: ignore[arg-type]
        lambda: SaliencyOptions(faces="all"),  # type: ignore[arg-type]
        lambda: FaithfulnessOptions(faces=2.5),  # type: ignore[arg-type]
        lambda: Changes(epochs=2.5),  # type: ignore[arg-type]
    ],
)
def test_other_types_are_refused_outside_of_runs_too(make: object) -> None:
    with pytest.raises(FerturbError, match="can't be"):
        make()  # type: ignore[operator]


def test_presets_are_the_papers_and_ours() -> None:
    assert list(RECIPES)[:6] == ["fast", "full-size", "mixed", "bare", "paper", "released"]
    assert all(name == recipe.name for name, recipe in RECIPES.items())
    p = PAPER  # section 4.2
    assert (p.epochs, p.learning_rate, p.momentum, p.weight_decay) == (200, 0.01, 0.9, 1e-4)
    assert (p.schedule, p.plateau_factor, p.plateau_patience) == ("plateau", 0.75, 5)
    assert (p.label_smoothing, p.average, p.progressive_sizes) == (0.0, 0.0, ())
    assert p.augment == AugmentConfig(flip=0.5, erase=0.5, crop=40)
    assert "ten-crop" in p.evaluate


def test_choose_gives_the_named_or_the_nearest_names() -> None:
    known = {"resnet18": 1, "resnet34": 2, "vgg16": 3}
    assert choose("model", "vgg16", known) == 3
    with pytest.raises(FerturbError) as caught:
        choose("model", "vgg61", known)
    assert str(caught.value) == (
        "unknown model 'vgg61': did you mean 'vgg16'? known: resnet18, resnet34, vgg16"
    )
    far = unknown("model", "zzzzz", known)
    assert far == "unknown model 'zzzzz'; known: resnet18, resnet34, vgg16"
    several = unknown("model", "resnet", ("resnet18", "resnet34"))
    assert "'resnet18'" in several.split("?")[0]
    assert "'resnet34'" in several.split("?")[0]


@pytest.mark.parametrize(
    ("part", "field", "value"),
    [
        ("recipe", "epochs", "12"),
        ("recipe", "epochs", 12.5),
        ("recipe", "schedule", "zigzag"),
        ("recipe", "progressive_sizes", 36),
        ("method", "test_views", 1),
        ("dataset", "fer_plus", 3),
    ],
)
def test_values_of_another_type_are_one_line_errors(part: str, field: str, value: object) -> None:
    data = RunConfig().to_dict()
    data[part][field] = value
    with pytest.raises(FerturbError, match=f"{field} can't be") as caught:
        RunConfig.from_dict(data)
    assert "\n" not in str(caught.value)


def test_how_often_the_validation_split_is_looked_at_counts_too() -> None:
    every, tenth = (
        RunConfig(recipe=RecipeConfig(keep="last", validate_every=n)).fingerprint() for n in (1, 10)
    )
    assert every != tenth


def test_where_attention_sits_counts_only_where_there_is_attention() -> None:
    plain = RunConfig(model=ModelConfig("vgg16"))
    assert RunConfig(model=ModelConfig("vgg16", attention_at="stages")) == plain
    places = (None, "between", "stages", "input")
    gated = [RunConfig(model=ModelConfig("vgg16", True, attention_at=at)) for at in places]
    assert gated[0] == gated[1]
    assert len({run.fingerprint() for run in (plain, *gated)}) == 4
    # what a run is called that was stored without `attention_at`: its gates sat behind every stage
    assert gated[0].fingerprint() != "516ddcfbaeed"


def test_runs_from_before_gates_sat_between_the_stages_mean_what_they_did() -> None:
    data = {"model": {"name": "vgg16", "attention": True}}
    assert RunConfig.from_dict(data).model.attention_at == "stages"
    data = {"model": {"name": "vgg16", "attention": True, "attention_at": "stages"}}
    assert RunConfig.from_dict(data).model.attention_at == "stages"
    assert RunConfig.from_dict({"model": {"attention_at": "stages"}}) == RunConfig()
