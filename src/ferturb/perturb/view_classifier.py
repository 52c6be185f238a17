"""A predictor as the Perturb Scheme uses it: the logits of a face's views, summed."""

from __future__ import annotations

from jaxtyping import Float, Int64
from torch import Tensor, nn

from ferturb.base.config import MethodConfig
from ferturb.perturb.cluster_maps import MapSource
from ferturb.perturb.views import views_of


class ViewClassifier(nn.Module):
    """A predictor as the paper uses it: the sum of the logits of a face's K+1 views."""

    cluster_map: Tensor

    def __init__(
        self,
        classifier: nn.Module,
        cluster_map: Int64[Tensor, "h w"],
        config: MethodConfig,
        source: MapSource | None = None,
    ) -> None:
        """`source` gives each face a map of its own in place of `cluster_map`."""
        super().__init__()
        self.classifier = classifier
        self.config = config
        self.source = source
        self.register_buffer("cluster_map", cluster_map.long())

    def forward(self, faces: Float[Tensor, "b c h w"]) -> Float[Tensor, "b e"]:
        """Summed logits."""
        c = self.config
        maps = self.cluster_map[None] if self.source is None else self.source(faces)
        views = views_of(faces, maps, c.clusters, c.view_kind, c.fill)
        logits: Tensor = self.classifier(views.flatten(0, 1))
        return logits.float().view(faces.shape[0], c.clusters + 1, logits.shape[-1]).sum(1)


def model_at_test_time(
    config: MethodConfig,
    classifier: nn.Module,
    cluster_map: Int64[Tensor, "h w"],
    source: MapSource | None = None,
) -> nn.Module:
    """The model as its method uses it on new faces: in validation, and when a run is opened.

    `cluster_map` is that of the kept epoch; `source` gives faces maps of their own, where the
    method has such.
    """
    if not config.test_views:
        return classifier
    return ViewClassifier(classifier, cluster_map, config, source).eval()
