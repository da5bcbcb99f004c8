"""The part that is not trained, as a backbone: the same activations cut from the graph as converted by torch."""

from __future__ import annotations

import numpy as np
import pytest

from gingham.features import load_backbone, open_engine
from gingham.refine.prefix import PrefixBackbone
from gingham.refine.stages import cut_network

pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_torch_thread")]


@pytest.mark.parametrize("name", ["efficientnet_lite0", "efficientnet_lite2"])
@pytest.mark.parametrize("depth", ["last-1-stage", "last-3-stages", "last-6-stages"])
def test_the_graph_is_cut_where_the_network_is(name: str, depth: str) -> None:
    whole = load_backbone(name)
    cut = cut_network(whole.torch_module(96), depth, 96, on_gpu=False)
    prefix = PrefixBackbone(whole, cut, 96)
    images = np.random.default_rng(0).integers(0, 256, (2, 96, 96, 3), dtype=np.uint8)
    by_graph, by_torch = (
        next(open_engine(prefix, 96, engine, "f32").features([images])) for engine in ("onnxruntime", "torch")
    )
    assert by_graph.shape == (2, prefix.n_features) == (2, np.prod(prefix.shape))
    np.testing.assert_allclose(by_graph, by_torch, atol=2e-4 * np.abs(by_torch).max())
