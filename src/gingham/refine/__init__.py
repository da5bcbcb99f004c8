"""Refinement: a pretrained network trained further on the user's images. Imports torch; nothing imports it at start.

`refine` cuts the network (`stages`), gets what the trained part sees from where it is quickest (`sources`), and trains
(`training`); a `Refined` comes out, whose weights make a backbone like any other.
"""

from gingham.refine.batches import Parts
from gingham.refine.refining import help_to_refine, refine
from gingham.refine.result import Refined
from gingham.refine.sources import Files
from gingham.refine.views import ViewMaker

__all__ = ["Files", "Parts", "Refined", "ViewMaker", "help_to_refine", "refine"]
