from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ferturb.base.config import (
    AugmentConfig,
    ModelConfig,
    RecipeConfig,
    RunConfig,
)
from ferturb.base.errors import FerturbError
from ferturb.base.tensors import load_tensors
from ferturb.data.faces import Faces
from ferturb.runs.execute import execute_run, prepare
from ferturb.runs.run import Run
from ferturb.training.batches import steps_per_epoch
from ferturb.training.distillation import Teacher
from ferturb.training.files import MODEL

pytestmark = pytest.mark.usefixtures("tiny")

RECIPE = RecipeConfig(
    epochs=2,
    batch_size=32,
    learning_rate=0.05,
    precision="float32",
    augment=AugmentConfig(erase=0.3),
    evaluate=("none",),
)
PLAIN = RunConfig(model=ModelConfig("tiny"), recipe=RECIPE, seed=5)


def taught(*teachers: str, weight: float = 0.7) -> RunConfig:
    recipe = replace(RECIPE, distillation=weight)
    return replace(PLAIN, recipe=recipe, teachers=teachers, seed=6)


def weights(run: Run) -> torch.Tensor:
    tensors = load_tensors(run.folder / MODEL)[0]
    return torch.cat([tensors[key].flatten().float() for key in sorted(tensors)])


def test_a_run_learns_from_its_teachers_and_resumes_to_the_same_bits(
    toy_faces: Faces, tmp_path: Path
) -> None:
    teacher = prepare(tmp_path, PLAIN)
    execute_run(teacher, toy_faces)
    whole = prepare(tmp_path, taught(teacher.name))
    execute_run(whole, toy_faces)
    alone = prepare(tmp_path, replace(PLAIN, seed=6))
    execute_run(alone, toy_faces)
    assert whole.done
    assert not torch.equal(weights(whole), weights(alone))
    parts = prepare(tmp_path / "again", taught(f"../{teacher.name}"))
    assert not execute_run(parts, toy_faces, pause_after=1)
    assert execute_run(parts, toy_faces)
    assert torch.equal(weights(parts), weights(whole))
    assert Run.open(whole.folder).config.teachers == (teacher.name,)


def test_a_student_of_weight_one_comes_to_say_what_its_teacher_says(
    toy_faces: Faces, tmp_path: Path
) -> None:
    teacher = prepare(tmp_path, replace(PLAIN, recipe=replace(RECIPE, epochs=6)))
    execute_run(teacher, toy_faces)
    config = taught(teacher.name, weight=1.0)
    student = prepare(tmp_path, replace(config, recipe=replace(config.recipe, epochs=6)))
    shuffled = replace(toy_faces, labels=toy_faces.labels.flip(0))  # its labels say nothing
    execute_run(student, shuffled)
    _, said = student.logits("test", "none")
    _, told = teacher.logits("test", "none")
    agreement = (said.argmax(1) == told.argmax(1)).mean()
    assert agreement > 0.5  # chance is 1 in 7


def test_repeated_augmentations_ask_the_teacher_once_and_resume_to_the_same_bits(
    toy_faces: Faces, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = prepare(tmp_path, PLAIN)
    execute_run(teacher, toy_faces)
    config = taught(teacher.name)
    recipe = replace(config.recipe, epochs=4, distillation_views=2, progressive_sizes=((0.5, 24),))
    asked = []
    logits = Teacher.logits

    def counting(self: Teacher, faces: torch.Tensor) -> torch.Tensor:
        asked.append(faces.shape[-1])
        return logits(self, faces)

    monkeypatch.setattr(Teacher, "logits", counting)
    whole = prepare(tmp_path, replace(config, recipe=recipe))
    execute_run(whole, toy_faces)
    steps = steps_per_epoch(len(toy_faces.split("train")), recipe.batch_size)
    side = toy_faces.images.shape[-1]
    assert asked == [side] * (2 * steps)  # at full size, in the epochs on small faces too
    parts = prepare(
        tmp_path / "again", replace(config, recipe=recipe, teachers=whole_path(teacher))
    )
    assert not execute_run(parts, toy_faces, pause_after=3)
    assert execute_run(parts, toy_faces)
    assert torch.equal(weights(parts), weights(whole))


def whole_path(run: Run) -> tuple[str, ...]:
    return (f"../{run.name}",)


def test_a_run_starts_from_anothers_weights(toy_faces: Faces, tmp_path: Path) -> None:
    first = prepare(tmp_path, PLAIN)
    execute_run(first, toy_faces)
    still = replace(RECIPE, epochs=1, learning_rate=0.0)
    second = prepare(tmp_path, replace(PLAIN, recipe=still, seed=9, initial_weights=first.name))
    execute_run(second, toy_faces)
    before, after = first.load_classifier(), second.load_classifier()
    for (name, a), b in zip(before.named_parameters(), after.parameters(), strict=True):
        assert torch.equal(a, b), name
    other = prepare(
        tmp_path, replace(PLAIN, model=ModelConfig("tiny", dropout=0.5), initial_weights=first.name)
    )
    with pytest.raises(FerturbError, match="start from a run of the same network"):
        execute_run(other, toy_faces)
    missing = prepare(tmp_path, replace(PLAIN, seed=11, initial_weights="nowhere"))
    with pytest.raises(FerturbError, match="nowhere is not a run folder"):
        execute_run(missing, toy_faces)


def test_an_unfinished_teacher_is_named(toy_faces: Faces, tmp_path: Path) -> None:
    teacher = prepare(tmp_path, PLAIN)
    student = prepare(tmp_path, taught(teacher.name))
    with pytest.raises(FerturbError, match=f"needs the teacher {teacher.name} finished"):
        execute_run(student, toy_faces)


def test_teachers_and_distillation_go_together(tmp_path: Path) -> None:
    with pytest.raises(FerturbError, match="go together"):
        prepare(tmp_path, replace(PLAIN, teachers=("somebody",)))
    with pytest.raises(FerturbError, match="go together"):
        prepare(tmp_path, replace(PLAIN, recipe=replace(RECIPE, distillation=0.5)))
    assert not list(tmp_path.iterdir())
