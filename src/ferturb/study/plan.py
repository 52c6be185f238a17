"""What a study runs: models × methods × seeds, each phase 1 before the runs that need it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import product
from typing import Literal

from ferturb.base.checks import require_kind
from ferturb.base.config import (
    AS_RELEASED,
    BARE,
    FAST,
    FULL_SIZE,
    METHOD_PRESETS,
    PAPER,
    RELEASED,
    AugmentConfig,
    DatasetConfig,
    MethodConfig,
    ModelConfig,
    RecipeConfig,
    RunConfig,
    choose,
)
from ferturb.base.errors import FerturbError
from ferturb.perturb.cluster_maps import attention_at
from ferturb.perturb.methods import (
    HIDES_ITSELF,
    epochs_at_equal_compute,
    epochs_within,
    needs_attention,
    trained_as,
)
from ferturb.runs.run import run_folder_name
from ferturb.study.arms import LEAVING_OUT
from ferturb.study.experiments import Experiment

BASELINE = METHOD_PRESETS["baseline"]
PERTURB = METHOD_PRESETS["perturb"]
"""The Perturb Scheme at the cost of the baseline: one view a face and step, drawn at random."""
PERTURB_AS_PUBLISHED = MethodConfig("perturb", views="all")
CONTROLS = (
    "random-regions",
    "uniform-clusters",
    "landmark-regions",
    "random-erasing",
    "train-views-only",
    "test-views-only",
)
"""The controls of the Perturb Scheme, at the cost of the baseline."""
VARIANTS = (
    "perturb-face",
    "perturb-blur",
    "perturb-seldom",
    "anneal",
    "drop-attended",
    "view-consistency",
)
NO_ERASING = replace(
    FULL_SIZE, name="no-erasing", epochs=24, augment=replace(FULL_SIZE.augment, erase=0.0)
)
"""For controls: nothing is left out of a face but by the method."""


@dataclass(frozen=True)
class Study:
    """Models × methods × seeds on one dataset, with one recipe."""

    preset: str
    about: str
    models: tuple[str, ...]
    methods: tuple[MethodConfig, ...]
    recipe: RecipeConfig
    attention_epochs: int
    """Epochs of phase 1 (the attention classifier)."""
    seeds: tuple[int, ...] = (0,)
    dataset: DatasetConfig = field(default_factory=DatasetConfig)
    face_masks: tuple[str | None, ...] = (None,)
    """What the faces wear that networks are trained on, each in turn; None is nothing."""
    analyses: tuple[str, ...] = ()
    """What is found out about the finished runs, by the names in `ferturb.study.analyses`."""
    effort: Literal["light", "full"] = "full"
    """How thorough the analyses are."""
    heads: tuple[str, ...] = ("label",)
    """What every network learns (`ModelConfig.heads`); the report is about the first."""
    uncentred: bool = False
    """Whether networks are given grey levels as the released program gives them."""
    equal_compute: bool = False
    """Whether a method that shows several views of a face has that many times fewer epochs."""
    experiment: Experiment | None = None
    """In place of models × methods × seeds: arms by training sizes by replicates."""

    def with_recipe(self, recipe: RecipeConfig) -> Study:
        """The same by another recipe, phase 1's epochs in proportion."""
        share = self.attention_epochs / self.recipe.epochs
        epochs = max(1, round(share * recipe.epochs))
        return replace(self, recipe=recipe, attention_epochs=epochs)


EVERY_ANALYSIS = ("transfer", "ablation", "saliency", "faithfulness")
ARCHITECTURES = (
    "compact",
    "vgg16-half",
    "resnet18",
    "densenet121-pool",
    "dpn26-pool",
    "resmasking18-half",
)
"""The paper's five architectures as far as a CPU can afford them, and the compact network."""

CPU = Study(
    "cpu",
    "all five architectures, reduced for CPUs, and their ensemble, in hours on two cores",
    models=ARCHITECTURES,
    methods=(BASELINE, PERTURB),
    recipe=FAST,
    attention_epochs=4,
    dataset=DatasetConfig(synthetic_faces=20000),
    analyses=EVERY_ANALYSIS,
)
PRESETS: dict[str, Study] = {
    "quick": Study(
        "quick",
        "what was planted in the synthetic faces and what is found, in minutes on two cores",
        models=("compact-tiny",),
        methods=(
            METHOD_PRESETS["features-left-out"],
            BASELINE,
            replace(PERTURB, attention_faces=512),
        ),
        recipe=replace(
            FAST,
            epochs=10,
            batch_size=64,
            learning_rate=0.05,
            average=0.98,
            progressive_sizes=(),
            augment=AugmentConfig(flip=0.5, rotate=5.0, shift=0.03, erase=0.2),
        ),
        attention_epochs=6,
        dataset=DatasetConfig(synthetic_faces=8000),
        analyses=("ablation", "saliency", "faithfulness"),
        effort="light",
    ),
    "cpu": CPU,
    "masks": replace(
        CPU,
        preset="masks",
        about="table 1: trained on faces with and without face masks, each tested on both",
        methods=(BASELINE,),
        face_masks=(None, "mixed"),
    ),
    "masked-fer2013": Study(
        "masked-fer2013",
        "after Han (2023): trained without face masks, with them and on both, each tested on both",
        models=("compact", "vgg16-half", "resnet18"),
        methods=(BASELINE, METHOD_PRESETS["half-masked"]),
        recipe=FAST,
        attention_epochs=4,
        dataset=DatasetConfig(synthetic_faces=20000),
        face_masks=(None, "mixed"),
        analyses=("transfer",),
    ),
    "clusters": Study(
        "clusters",
        "figure 5: VGG16 by the number of clusters, K = 1 … 6",
        models=("vgg16",),
        methods=(BASELINE, *(replace(PERTURB, clusters=k) for k in range(1, 7))),
        recipe=FAST,
        attention_epochs=4,
        seeds=(0, 1, 2),
        dataset=DatasetConfig(synthetic_faces=20000),
    ),
    "controls": Study(
        "controls",
        "the Perturb Scheme, its controls and its variants at equal compute, three seeds",
        models=("compact-tiny",),
        methods=(
            BASELINE,
            PERTURB_AS_PUBLISHED,
            PERTURB,
            *(METHOD_PRESETS[name] for name in (*CONTROLS, *VARIANTS)),
        ),
        recipe=NO_ERASING,
        attention_epochs=4,
        seeds=(0, 1, 2),
        dataset=DatasetConfig(synthetic_faces=20000),
        equal_compute=True,
    ),
    "leaving-out": Study(
        "leaving-out",
        "does leaving out help a network that overfits: eight arms, three training sizes",
        models=(LEAVING_OUT.model,),
        methods=tuple(
            dict.fromkeys(LEAVING_OUT.arms[arm].method for arm in LEAVING_OUT.cells["7000"].arms)
        ),
        recipe=BARE,
        attention_epochs=1,
        seeds=tuple(range(10)),
        dataset=LEAVING_OUT.dataset,
        experiment=LEAVING_OUT,
    ),
    "paper": Study(
        "paper",
        "the paper's text: 200 epochs, all K+1 views of a face in every step; made for a GPU",
        models=("vgg16", "resnet34", "densenet121", "dpn92", "resmasking"),
        methods=(BASELINE, PERTURB_AS_PUBLISHED),
        recipe=PAPER,
        attention_epochs=200,
        dataset=DatasetConfig(synthetic_faces=35887),
        analyses=EVERY_ANALYSIS,
    ),
    "released": Study(
        "released",
        "the protocol of the program that was released with the paper; made for a GPU",
        models=("vgg16-dropout", "resnet50", "densenet121", "dpn26"),
        methods=(BASELINE, AS_RELEASED),
        recipe=RELEASED,
        attention_epochs=10,
        dataset=DatasetConfig(synthetic_faces=35887),
        uncentred=True,
    ),
}


def choose_preset(name: str) -> Study:
    """The preset of this name, or a `FerturbError` that names the nearest ones."""
    return choose("study preset", name, PRESETS)


def datasets(study: Study) -> tuple[DatasetConfig, ...]:
    """The faces a study trains on: the dataset, with each of its face masks."""
    worn = dict.fromkeys(study.face_masks)
    return tuple(replace(study.dataset, face_masks=kind) for kind in worn)


def plan(study: Study) -> list[RunConfig]:
    """Every run of a study, cheapest seeds first, each attention run before its followers.

    Of an experiment, with the first of its settings to try where they are still to be chosen.
    """
    if (experiment := require_kind("study", study, Study).experiment) is not None:
        return list(dict.fromkeys(item.config for item in experiment.planned()))
    if not study.models or not study.methods or not study.seeds:
        raise FerturbError("a study needs at least one model, one method and one seed")
    wanted = product(study.seeds, study.models, datasets(study), study.methods)
    runs: dict[RunConfig, None] = {}
    for seed, model, dataset, method in wanted:
        if dataset.face_masks and None in study.face_masks and method.name in HIDES_ITSELF:
            continue  # it is trained on whole faces, once
        recipe = study.recipe
        if study.equal_compute:
            recipe = replace(recipe, epochs=epochs_within(method, recipe.epochs))
        network = ModelConfig(model, uncentred=study.uncentred, heads=study.heads)
        last = RunConfig(dataset, network, method, recipe, seed)
        runs |= dict.fromkeys(chain(last, study.attention_epochs))
    return list(runs)


def chain(run: RunConfig, attention_epochs: int) -> list[RunConfig]:
    """A run with everything that has to be trained before it, in order.

    A method that needs attention is preceded by its attention run: the same model with spatial
    attention, the same data, recipe and seed, for `attention_epochs`. `extra-epochs` is given the
    epochs that equal its views' compute. A method that differs from another at test time alone
    takes that one's network, or that of the run it would have started from.
    """
    epochs = epochs_at_equal_compute(run.method, run.recipe.epochs)
    if epochs != run.recipe.epochs:
        run = replace(run, recipe=replace(run.recipe, epochs=epochs))
    before: list[RunConfig] = []
    taken, given = trained_as(run.method), run.evaluates or run.initial_weights
    if taken is not None:
        before = [] if given else chain(replace(run, method=taken), attention_epochs)
        given = given or run_folder_name(before[-1])
        run = replace(run, evaluates=given, initial_weights=None)
    if not needs_attention(run.method):
        return [*before, run]
    first = replace(
        run,
        model=replace(run.model, attention=True, attention_at=attention_at(run.method)),
        method=MethodConfig("attention"),
        recipe=replace(run.recipe, epochs=attention_epochs, distillation=0.0, distillation_views=0),
        teachers=(),
        initial_weights=None,
        evaluates=None,
    )
    last = replace(run, attention_run=run_folder_name(first))
    return list(dict.fromkeys([*before, first, last]))
