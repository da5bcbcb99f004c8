"""The only place that opens pixels: from a path, or from bytes, to an array.

``open_bytes`` reads a file without ever blocking; ``decode`` turns bytes into an upright RGB array or says
why it cannot; ``network_input`` turns bytes into what a network sees, the same in training, evaluation and
serving.
"""

from gingham.images.decoded import MAX_PIXELS, Decoded, Note
from gingham.images.decoding import decode
from gingham.images.fitting import fit, network_input
from gingham.images.lettering import text_width, write_text
from gingham.images.names import has_image_suffix, is_strewn
from gingham.images.opening import MAX_BYTES, open_bytes
from gingham.images.overlays import GROUND, colours_of, overlay, resized
from gingham.images.resampling import resampler
from gingham.images.sniffing import FORMATS, SUFFIXES
from gingham.images.thumbnails import thumbnail_jpeg

__all__ = [
    "FORMATS",
    "GROUND",
    "MAX_BYTES",
    "MAX_PIXELS",
    "SUFFIXES",
    "Decoded",
    "Note",
    "colours_of",
    "decode",
    "fit",
    "has_image_suffix",
    "is_strewn",
    "network_input",
    "open_bytes",
    "overlay",
    "resampler",
    "resized",
    "text_width",
    "thumbnail_jpeg",
    "write_text",
]
