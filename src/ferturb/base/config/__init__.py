"""What a run is (dataset, model, method, recipe, seed) and how it is analysed: frozen dataclasses.

Every field has a default, every preset has a name, and ``RunConfig.to_dict`` /
``RunConfig.from_dict`` go to JSON and back without loss. Nothing here imports torch.
"""

from ferturb.base.config.ablation import AblationOptions as AblationOptions
from ferturb.base.config.augment import AugmentConfig as AugmentConfig
from ferturb.base.config.benchmark import BenchmarkOptions as BenchmarkOptions
from ferturb.base.config.dataset import DatasetConfig as DatasetConfig
from ferturb.base.config.fields import choose as choose
from ferturb.base.config.fields import unknown as unknown
from ferturb.base.config.method import AS_RELEASED as AS_RELEASED
from ferturb.base.config.method import METHOD_OPTIONS as METHOD_OPTIONS
from ferturb.base.config.method import METHOD_PRESETS as METHOD_PRESETS
from ferturb.base.config.method import MethodConfig as MethodConfig
from ferturb.base.config.network import SHAPED as SHAPED
from ferturb.base.config.network import SIDES as SIDES
from ferturb.base.config.network import ModelConfig as ModelConfig
from ferturb.base.config.network import VggShape as VggShape
from ferturb.base.config.recipe import BARE as BARE
from ferturb.base.config.recipe import BOOSTING as BOOSTING
from ferturb.base.config.recipe import DEEP_EMOTION as DEEP_EMOTION
from ferturb.base.config.recipe import EMONEXT as EMONEXT
from ferturb.base.config.recipe import FAST as FAST
from ferturb.base.config.recipe import FULL_SIZE as FULL_SIZE
from ferturb.base.config.recipe import LINEAR_SVM as LINEAR_SVM
from ferturb.base.config.recipe import MIXED as MIXED
from ferturb.base.config.recipe import PAPER as PAPER
from ferturb.base.config.recipe import RECIPES as RECIPES
from ferturb.base.config.recipe import RELEASED as RELEASED
from ferturb.base.config.recipe import RecipeConfig as RecipeConfig
from ferturb.base.config.run import RunConfig as RunConfig
from ferturb.base.config.saliency import SALIENCY as SALIENCY
from ferturb.base.config.saliency import FaithfulnessOptions as FaithfulnessOptions
from ferturb.base.config.saliency import SaliencyOptions as SaliencyOptions
from ferturb.base.config.votes import VotesConfig as VotesConfig
