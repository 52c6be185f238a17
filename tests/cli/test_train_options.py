"""From the flags of `ferturb train` to the run they ask for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from ferturb.base.config import (
    BARE,
    FAST,
    PAPER,
    DatasetConfig,
    MethodConfig,
    ModelConfig,
    RunConfig,
)
from ferturb.base.errors import FerturbError
from ferturb.cli.main import main
from ferturb.cli.train_options import (
    FacesOptions,
    MethodOptions,
    NetworkOptions,
    RecipeOptions,
    run_config,
)
from ferturb.data.drawn.synthetic import synthetic_faces
from ferturb.data.readers.fer2013 import write_folder
from ferturb.features import altered


def test_the_defaults_are_those_of_the_configs() -> None:
    found = run_config(
        MethodOptions().config("baseline"),
        0,
        Path("runs"),
        FacesOptions(),
        NetworkOptions(),
        RecipeOptions().config(),
    )
    assert found == RunConfig()


def test_every_option_reaches_the_run(tmp_path: Path) -> None:
    faces = FacesOptions(
        str(tmp_path / "x.zip"),
        clean=True,
        fer_plus=Path("new.csv"),
        training_faces=70,
        subset_seed=3,
        face_masks="n95",
        left_out="mouth",
        left_out_fill="blur",
        left_out_control=True,
        alteration_seed=4,
    )
    network = NetworkOptions(
        "vgg16", True, Path("runs/first"), (Path("runs/a"), Path("other/b")), 0.5, 3
    )
    recipe = RecipeOptions("bare", epochs=2, learning_rate=0.5, small_faces=0.25)
    method = MethodOptions(clusters=5, erased=(0.1, 0.3)).config("perturb")
    found = run_config(method, 9, Path("runs"), faces, network, recipe.config())
    assert found == RunConfig(
        DatasetConfig(
            str(tmp_path / "x.zip"),
            clean=True,
            fer_plus="new.csv",
            training_faces=70,
            subset_seed=3,
            face_masks="n95",
            left_out="mouth",
            left_out_fill="blur",
            left_out_control=True,
            alteration_seed=4,
        ),
        ModelConfig("vgg16", uncentred=True),
        MethodConfig("perturb", clusters=5, erased=(0.1, 0.3)),
        replace(
            BARE,
            epochs=2,
            learning_rate=0.5,
            progressive_sizes=((0.25, 32),),
            distillation=0.5,
            distillation_views=3,
        ),
        9,
        teachers=("a", "../other/b"),
        initial_weights="first",
    )


def test_a_training_starts_from_a_run_or_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "efficientnet-lite0-1.pth"
    file.write_bytes(b"")
    for path, initial, published in (
        (file, None, str(file)),
        (tmp_path / "first", "../first", None),
    ):
        network = NetworkOptions(start_from=path, freeze=True)
        recipe = RecipeOptions().config()
        found = run_config(MethodConfig(), 0, tmp_path / "runs", FacesOptions(), network, recipe)
        assert (found.initial_weights, found.published_weights) == (initial, published)
        assert found.recipe == replace(FAST, trained="head")


def test_recipes_by_name() -> None:
    assert RecipeOptions().config() == FAST
    assert RecipeOptions("paper").config() == PAPER
    assert RecipeOptions(small_faces=0.0).config() == replace(FAST, progressive_sizes=())
    with pytest.raises(FerturbError, match="did you mean 'fast'"):
        RecipeOptions("fats").config()


def test_phase_1_on_its_own_has_attention() -> None:
    method = MethodOptions().config("attention")
    found = run_config(
        method, 0, Path("runs"), FacesOptions(), NetworkOptions(), RecipeOptions().config()
    )
    assert found.model == ModelConfig(attention=True)


@pytest.mark.parametrize(
    ("method", "asked", "maps"),
    [("mad", None, 2), ("mad", 4, 4), ("baseline", None, 0), ("baseline", 2, 2)],
)
def test_maps_of_local_attention_come_with_the_method_or_are_asked_for(
    method: str, asked: int | None, maps: int
) -> None:
    chosen, network = MethodOptions().config(method), NetworkOptions(local_maps=asked)
    found = run_config(chosen, 0, Path("runs"), FacesOptions(), network, RecipeOptions().config())
    assert found.model == ModelConfig(local_maps=maps)


def test_faces_are_read_once_for_all_runs(
    tmp_path: Path, tiny: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FERTURB_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    write_folder(synthetic_faces(70, seed=1), tmp_path / "faces")
    read: list[DatasetConfig] = []
    load = altered.load_dataset

    def counted(config: DatasetConfig, **options: object) -> object:
        read.append(config)
        return load(config, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(altered, "load_dataset", counted)
    arguments = ["train", "--data", "faces", "--model", tiny, "--epochs", "1", "--quiet"]
    main([*arguments, "--method", "perturb", "--attention-faces", "8", "--scope", "fixed"])
    assert len(list((tmp_path / "runs").iterdir())) == 2  # phase 1 and the predictor
    assert read == [DatasetConfig(str(tmp_path / "faces"))]
