"""Refinement: a pretrained network trained further on the user's images. Imports torch; nothing imports it at start.

`refine` cuts the network (`stages`), gets what the trained part sees from where it is quickest (`sources`), and trains
(`training`); a `Refined` comes out, whose weights make a backbone like any other.
"""

from gingham.refine.refining import refine
from gingham.refine.result import Refined
from gingham.refine.sources import Files
from gingham.refine.training import Parts
from gingham.refine.views import ViewMaker

__all__ = ["Files", "Parts", "Refined", "ViewMaker", "refine"]
