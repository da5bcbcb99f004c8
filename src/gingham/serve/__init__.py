"""The REST service: images in, predictions out, and nothing that an image or a client does takes it down.

``server`` runs it, ``app`` has its routes, ``guard`` stands in front of them, ``line`` holds what waits, ``workers``
bring images through decoding and inference, ``decoder`` is the process in which an image is decoded.
"""

from __future__ import annotations

import os

from gingham.errors import UnavailableError

if os.name == "nt":
    raise UnavailableError(
        "The service needs signals, pipes and memory of a kind that Windows does not have. Run it in WSL, or in a"
        " container: `gingham deploy docker MODEL -o DIR` writes what that needs."
    )
