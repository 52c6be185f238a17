"""A preset with what the user wants otherwise."""

from __future__ import annotations

from dataclasses import replace

from ferturb.base.config import METHOD_PRESETS, DatasetConfig, MethodConfig, RecipeConfig, choose
from ferturb.base.config.changes import Changes
from ferturb.base.config.fields import in_range
from ferturb.base.errors import FerturbError
from ferturb.study.experiments import adapted
from ferturb.study.plan import Study

FACES = (70, 1_000_000)
"""The least and the most faces that are drawn: one of each emotion in every split, and 2.3 GB."""


def adapt(study: Study, changes: Changes) -> Study:
    """A preset with what the user wants otherwise.

    Methods are chosen by name: among the preset's own (all of that name), so that they keep its
    options, else with the options of `METHOD_PRESETS`. Of face masks, "none" is whole faces.
    Raises `FerturbError` for an unknown method or kind of face mask.
    """
    known: dict[str, tuple[MethodConfig, ...]] = {n: (m,) for n, m in METHOD_PRESETS.items()}
    known |= {m.name: tuple(o for o in study.methods if o.name == m.name) for m in study.methods}
    if study.experiment is not None:
        new = adapted(study.experiment, changes)
        return replace(study, models=(new.model,), dataset=new.dataset, experiment=new)
    if changes.sizes or changes.arms or changes.replicates is not None:
        raise FerturbError(
            f"sizes, arms and replicates are of the study leaving-out, not of {study.preset}; "
            "give models, methods and seeds"
        )
    chosen = tuple(m for name in changes.methods for m in choose("method", name, known))
    # How many faces are drawn counts only where they are: a study shares its runs on any others.
    drawn = changes.data == DatasetConfig().source
    if changes.faces is not None:
        in_range("faces", changes.faces, *FACES)
    if changes.faces is not None and not drawn:
        raise FerturbError(
            f"faces says how many are drawn, and those of {changes.data} are read; leave it out"
        )
    dataset = study.dataset if drawn else DatasetConfig()
    if changes.faces is not None:
        dataset = replace(dataset, synthetic_faces=changes.faces)
    dataset = replace(dataset, source=changes.data, clean=changes.clean)
    dataset = replace(dataset, votes=changes.votes, label_order=changes.label_order)
    masks = tuple(None if k == "none" else k for k in changes.face_masks)
    return replace(
        study.with_recipe(changed_recipe(study.recipe, changes)),
        models=changes.models or study.models,
        methods=chosen or study.methods,
        seeds=study.seeds if changes.seeds is None else tuple(range(changes.seeds)),
        dataset=dataset,
        heads=changes.heads or study.heads,
        face_masks=masks or study.face_masks,
    )


def changed_recipe(recipe: RecipeConfig, changes: Changes) -> RecipeConfig:
    """A recipe with the user's epochs, batch and rate where they are given."""
    given = {key: getattr(changes, key) for key in ("epochs", "batch_size", "learning_rate")}
    return replace(recipe, **{key: value for key, value in given.items() if value is not None})
