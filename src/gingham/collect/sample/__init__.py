"""The built-in example dataset: 428 rendered pictures of dotted, leopard and striped garments.

Nothing here is needed to train on one's own photos. The modules, from the cloth to the folder: ``raster`` and
``palettes`` (drawing), ``patterns``, ``garments``, ``props`` and ``backdrops`` (what there is to see), ``cloth``
(folds and light), ``scenes`` and ``camera`` (the picture), ``plan`` and ``dataset`` (the files).
"""

from __future__ import annotations

from gingham.collect.sample.dataset import SampleSummary, render_sample

__all__ = ["SampleSummary", "render_sample"]
