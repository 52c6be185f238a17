"""The training hyperparameters, and the named recipes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

from ferturb.base.config.augment import AugmentConfig
from ferturb.base.config.fields import in_range, require_types
from ferturb.base.config.network import SIDES
from ferturb.base.config.votes import VotesConfig
from ferturb.base.errors import FerturbError


@dataclass(frozen=True)
class RecipeConfig:
    """The training hyperparameters."""

    name: str = "fast"
    epochs: int = 12
    batch_size: int = 128
    """The global batch."""
    learning_rate: float = 0.1
    """Initial rate (plateau) or peak rate (one-cycle)."""
    optimizer: Literal["sgd", "adam", "adamw", "linear-svm", "boosting"] = "sgd"
    """SGD with Nesterov momentum; Adam, its weight decay part of the gradient (L2); AdamW, its
    weight decay apart (the two with torch's other settings). Or no steps: scikit-learn fits a
    linear support vector machine (network `hog`) or boosted trees (`hog-boosted`)."""
    trained: Literal["all", "head"] = "all"
    """What learns: all weights, or those of the last linear layer on a backbone that stays as it
    starts, its running statistics too."""
    momentum: float = 0.9
    """Of SGD."""
    weight_decay: float = 1e-3
    decayed: Literal["weights", "all"] = "weights"
    """What weight decay acts on: matrices and kernels, or norms and biases too."""
    clip: float = 0.0
    """The most that the norm of the gradient may be; 0 is off."""
    schedule: Literal["one-cycle", "plateau", "constant", "restarts"] = "one-cycle"
    warmup: float = 0.25
    """Share of the steps, or of a round of restarts, over which the rate climbs."""
    restart_every: int = 1024
    """Steps of a round of restarts."""
    plateau_factor: float = 0.75
    plateau_patience: int = 5
    label_smoothing: float = 0.1
    average: float = 0.0
    """Decay per step of the exponential moving average of the weights; 0 is off."""
    precision: Literal["auto", "bfloat16", "float32"] = "auto"
    """`auto` is bfloat16 where the processor computes in it, float32 elsewhere."""
    progressive_sizes: tuple[tuple[float, int], ...] = ()
    """Progressive resizing: (share of the epochs up to which, side in pixels), in order."""
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    evaluate: tuple[str, ...] = ("none", "flip")
    """Test-time augmentations whose logits are stored at the end."""
    keep: Literal["best", "last"] = "best"
    """The epoch whose weights are kept: the best on the validation split, or the last, so that
    nothing is chosen."""
    validate_with: str = "none"
    """Test-time augmentation of the validation after an epoch."""
    validate_every: int = 1
    """Epochs from one look at the validation split to the next, if none is chosen; the last epoch
    is always looked at. What was not looked at is NaN in the history."""
    distillation: float = 0.0
    """Weight of the teachers' loss against the labels', 0 … 1; 0 is off."""
    distillation_temperature: float = 2.0
    """What teachers' and student's logits are divided by."""
    distillation_views: int = 0
    """How many augmentations of each face the training repeats, so that the teachers are asked
    about each but once; 0 draws a new one every epoch and asks every time."""
    votes: VotesConfig = field(default_factory=VotesConfig)
    """What a votes head (`ModelConfig.heads`) learns."""

    def __post_init__(self) -> None:
        require_types(self)
        in_range("epochs", self.epochs, 1, None)
        in_range("learning_rate", self.learning_rate, 0.0, 1e6)
        in_range("batch_size", self.batch_size, 2, None)
        in_range("weight_decay", self.weight_decay, 0.0, None)
        if self.optimizer == "linear-svm":
            in_range("weight_decay of linear-svm", self.weight_decay, 1e-9, None)
        if self.optimizer == "boosting":
            in_range("learning_rate of boosting", self.learning_rate, 1e-9, None)
        in_range("clip", self.clip, 0.0, None)
        for name in ("momentum", "warmup", "plateau_factor", "label_smoothing", "average"):
            in_range(name, getattr(self, name), 0.0, 1.0)
        in_range("restart_every", self.restart_every, 1, None)
        in_range("plateau_patience", self.plateau_patience, 0, None)
        for until, side in self.progressive_sizes:
            in_range("the share of epochs on smaller faces", until, 0.0, 1.0)
            in_range("the side of smaller faces", side, *SIDES)
        shares = [until for until, _ in self.progressive_sizes]
        if shares != sorted(set(shares)):
            raise FerturbError(
                "the shares of epochs in progressive_sizes are those up to which a side is shown; "
                f"expected rising ones, got {', '.join(f'{share:g}' for share in shares)}"
            )
        in_range("validate_every", self.validate_every, 1, None)
        if self.validate_every > 1 and (self.keep == "best" or self.schedule == "plateau"):
            raise FerturbError(
                "validate_every above 1 skips looks that keep='best' and schedule='plateau' need; "
                "use keep='last' with another schedule"
            )
        in_range("distillation", self.distillation, 0.0, 1.0)
        if self.distillation and self.augment.crops == "five":
            raise FerturbError(
                "teachers are asked about one input a face, and crops='five' makes five; "
                "use crops='random', or distillation=0"
            )
        in_range("distillation_temperature", self.distillation_temperature, 0.01, None)
        in_range("distillation_views", self.distillation_views, 0, None)


PAPER = RecipeConfig(
    name="paper",
    epochs=200,
    batch_size=64,
    learning_rate=0.01,
    weight_decay=1e-4,
    schedule="plateau",
    label_smoothing=0.0,
    augment=AugmentConfig(flip=0.5, erase=0.5, crop=40),
    evaluate=("none", "flip", "ten-crop"),
)
"""The paper's recipe (section 4.2), with the released program's weight decay and crop."""

RELEASED = replace(
    PAPER,
    name="released",
    batch_size=16,
    decayed="all",
    augment=AugmentConfig(
        flip=0.5,
        rotate=10.0,
        shift=0.2,
        cut=(0.8, 1.2),
        outside="black",
        contrast=0.5,
        gain=0.5,
        chance=0.5,
        erase=0.5,
        erased=(0.02, 0.33),
        erase_fill="black",
        crop=40,
        crops="five",
    ),
    evaluate=("ten-crop",),
    keep="last",
    validate_with="ten-crop",
)
"""That of the program that was released with the paper: sixteen faces of five crops a step, ten
crops in validation and test, the last epoch. Its file of settings has rate 0.001 and 10 epochs, the
paper 0.01 and 200, as here."""

FAST = RecipeConfig(
    name="fast",
    average=0.998,
    progressive_sizes=((0.67, 32),),
    augment=AugmentConfig(
        flip=0.5,
        rotate=12.0,
        scale=0.1,
        shift=0.06,
        shear=0.05,
        brightness=0.1,
        contrast=0.2,
        erase=0.3,
    ),
)
"""The recipe with the best validation accuracy per CPU minute that was found."""

FULL_SIZE = replace(FAST, name="full-size", progressive_sizes=())
"""`fast` without its epochs on smaller faces."""

MIXED = replace(
    FULL_SIZE,
    name="mixed",
    augment=replace(FULL_SIZE.augment, mixup=0.2, cutmix=1.0, mixing_probability=0.5),
)
"""`full-size` with two faces in half of its inputs: for training that is long enough to overfit."""

BARE = RecipeConfig(
    name="bare",
    epochs=80,
    weight_decay=5e-4,
    label_smoothing=0.0,
    keep="last",
    validate_every=10,
)
"""Nothing but flips against overfitting, and no epoch chosen: what a method adds can be seen."""

DEEP_EMOTION = RecipeConfig(
    name="deep-emotion",
    epochs=100,
    learning_rate=0.005,
    optimizer="adam",
    weight_decay=1e-3,
    decayed="all",
    schedule="constant",
    label_smoothing=0.0,
)
"""After Deep-Emotion (`ferturb.models.deep_emotion`): Adam, L2 of 0.001 on all weights (the paper),
100 epochs of 128 faces (the unofficial program). The rate of 0.005 and flips alone are of both."""

EMONEXT = RecipeConfig(
    name="emonext",
    epochs=36,
    batch_size=64,
    learning_rate=1e-3,
    optimizer="adamw",
    weight_decay=0.01,
    decayed="all",
    clip=1.0,
    schedule="restarts",
    warmup=0.125,
    label_smoothing=0.2,
    average=0.9994,
    augment=AugmentConfig(flip=0.5, flip_vertical=0.5, rotate=20.0, shift=0.025, outside="black"),
    evaluate=("none", "flip", "ten-crop"),
)
"""After EmoNeXt's program (`ferturb.models.emonext`): rounds of 1,024 steps, in which the rate
climbs for 128 (the rate of 1e-4 that it names is overwritten by that), and flips upside down. Not
taken over: it stops when PublicTest hasn't improved for 12 epochs (here 36, the best kept); its
average moves by 1 % every 16 steps (here by as much in 16 single ones); its faces are enlarged to
236 pixels and cut to 224, here shifted by what that moves them."""

LINEAR_SVM = RecipeConfig(
    name="linear-svm",
    epochs=1,
    optimizer="linear-svm",
    weight_decay=3.5e-4,
    keep="last",
    augment=AugmentConfig(flip=0.0),
)
"""For network `hog`: scikit-learn's LinearSVC on the faces as they are. With FER2013's 28,709
training faces the weight decay is C = 0.1."""

BOOSTING = RecipeConfig(
    name="boosting",
    epochs=100,
    optimizer="boosting",
    keep="last",
    augment=AugmentConfig(flip=0.0),
)
"""For network `hog-boosted`: scikit-learn's histogram gradient boosting, 100 rounds, rate 0.1."""

RECIPES: dict[str, RecipeConfig] = {
    r.name: r
    for r in (
        *(FAST, FULL_SIZE, MIXED, BARE, PAPER, RELEASED),
        *(DEEP_EMOTION, EMONEXT, LINEAR_SVM, BOOSTING),
    )
}
