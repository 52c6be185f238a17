from __future__ import annotations

from dataclasses import replace

import pytest

from ferturb.base.config import METHOD_PRESETS, MethodConfig, ModelConfig, RunConfig
from ferturb.base.config.changes import Changes
from ferturb.base.errors import FerturbError
from ferturb.perturb.methods import METHODS, epochs_within, needs_attention, passes
from ferturb.study.adapting import adapt
from ferturb.study.plan import chain, choose_preset, plan


def test_every_method_has_a_preset_of_its_name() -> None:
    assert set(METHOD_PRESETS) == set(METHODS)


@pytest.mark.parametrize("name", sorted(METHODS))
def test_an_attention_run_goes_before_those_that_need_it(name: str) -> None:
    run = RunConfig(method=METHOD_PRESETS[name])
    runs = chain(run, 2)
    first = [r for r in runs if r.method.name == "attention" and r != run]
    assert (len(first) == 1) is needs_attention(run.method)
    assert (runs[-1].attention_run is not None) is (len(first) == 1)
    assert all(r.recipe.epochs == 2 for r in first)


def test_attention_from_the_input_asks_for_a_gate_there() -> None:
    first, _ = chain(RunConfig(method=MethodConfig("perturb", attention_from="input")), 2)
    assert first.model == ModelConfig(attention=True, attention_at="input")


def test_extra_epochs_equal_the_compute_of_all_views() -> None:
    run = RunConfig(method=MethodConfig("extra-epochs", clusters=3))
    (planned,) = chain(run, 2)
    assert planned.recipe.epochs == 4 * run.recipe.epochs
    assert replace(planned, recipe=run.recipe) == run


def test_the_clusters_study_is_figure_5() -> None:
    study = adapt(choose_preset("clusters"), Changes(seeds=1))
    runs = plan(study)
    perturbed = [run for run in runs if run.method.name == "perturb"]
    assert [run.method.clusters for run in perturbed] == [1, 2, 3, 4, 5, 6]
    assert len({run.attention_run for run in perturbed}) == 1  # phase 1 is shared
    assert len(runs) == 8


def test_methods_are_chosen_by_name_with_the_presets_options() -> None:
    clusters = adapt(choose_preset("clusters"), Changes(methods=("perturb",)))
    assert len(clusters.methods) == 6
    quick = adapt(choose_preset("quick"), Changes(methods=("baseline", "random-regions")))
    assert quick.methods == (METHOD_PRESETS["baseline"], METHOD_PRESETS["random-regions"])
    with pytest.raises(FerturbError, match=r"unknown method .*did you mean 'random-regions'"):
        adapt(choose_preset("quick"), Changes(methods=("random-region",)))


def test_the_controls_cost_what_the_baseline_does() -> None:
    study = adapt(choose_preset("controls"), Changes(seeds=1))
    runs = [run for run in plan(study) if run.method.name != "attention"]
    assert len(runs) == len(study.methods)
    assert {passes(run.method) * run.recipe.epochs for run in runs} == {study.recipe.epochs}
    assert {passes(run.method) for run in runs} == {1, 2, 4}


def test_elsewhere_every_method_has_the_recipes_epochs() -> None:
    runs = plan(adapt(choose_preset("paper"), Changes(models=("compact",))))
    assert {run.recipe.epochs for run in runs} == {200}


def test_epochs_within_are_at_least_one() -> None:
    assert epochs_within(MethodConfig("perturb", clusters=9), 3) == 1


def test_the_released_study_is_the_released_programs_protocol() -> None:
    runs = plan(adapt(choose_preset("released"), Changes(models=("vgg16-dropout",))))
    assert [run.method.name for run in runs] == ["baseline", "attention", "perturb"]
    _, gate, scheme = runs
    assert all(run.model.uncentred for run in runs)
    assert gate.model.attention_at == "input"
    assert (scheme.method.views, scheme.method.scope) == ("all", "batch")
    assert scheme.method.attention_threshold == 0
    recipe = scheme.recipe
    assert (recipe.batch_size, recipe.augment.inputs_per_face, recipe.augment.crop) == (16, 5, 40)
    assert (recipe.schedule, recipe.keep, recipe.validate_with) == ("plateau", "last", "ten-crop")
