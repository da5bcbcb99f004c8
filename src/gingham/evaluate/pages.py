"""What all pages have in common: one HTML file in light and dark that needs nothing else, with figures inside."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.resources import files
from typing import TYPE_CHECKING, NamedTuple

from markupsafe import Markup, escape

from gingham.evaluate.figures import figure_bytes
from gingham.evaluate.theme import DARK, LIGHT, Theme, in_dark
from gingham.evaluate.wording import class_name
from gingham.records import display_path

if TYPE_CHECKING:
    from jinja2 import Environment
    from matplotlib.figure import Figure

__all__ = ["Drawing", "Page", "Picture", "jpeg_url", "new_environment", "style_sheet"]


class Page(NamedTuple):
    """A page, which can be encoded as UTF-8, and by file name the figures to lie beside it, PNG on white."""

    html: str
    figures: dict[str, bytes]


@dataclass(frozen=True)
class Picture:
    """A figure for both schemes, as data URLs, and what it shows for those who cannot see it."""

    light: Markup
    dark: Markup
    alt: str


class Drawing:
    """A figure that is drawn once, and encoded as it is asked for.

    Parameters
    ----------
    draw : callable of Theme
        Returns the figure.
    """

    def __init__(self, draw: Callable[[Theme], Figure]) -> None:
        self._draw = draw

    @cached_property
    def _figure(self) -> Figure:
        return self._draw(LIGHT)

    def png(self) -> bytes:
        """Return it on white."""
        return figure_bytes(self._figure, "png")

    def picture(self, alt: str) -> Picture:
        """Return it in light and in dark; ``alt`` says what it shows."""
        light = figure_bytes(self._figure, "svg")
        dark = in_dark(light) or figure_bytes(self._draw(DARK), "svg")
        return Picture(_data_url(light), _data_url(dark), alt)


def new_environment() -> Environment:
    """Return what fills the templates: every value is text, whatever it holds."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("gingham.evaluate", "."),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_as_text,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["prose"] = _prose
    environment.filters["class_name"] = class_name
    return environment


def style_sheet() -> Markup:
    """Return the style sheet, with the colours of both schemes."""
    sheet = files("gingham.evaluate").joinpath("report.css").read_text("utf-8")
    light, dark = (
        "".join(f"--{name}:{value};" for name, value in asdict(theme).items() if isinstance(value, str))
        for theme in (LIGHT, DARK)
    )
    return Markup(  # noqa: S704 - the package's own style sheet
        f":root{{color-scheme:light dark;{light}}}\n"
        f"@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n{sheet}"
    )


def jpeg_url(jpeg: bytes) -> Markup:
    """Return a JPEG as a data URL; of nothing, nothing."""
    return Markup("data:image/jpeg;base64,") + b64encode(jpeg).decode() if jpeg else Markup()


def _data_url(svg: bytes) -> Markup:
    return Markup("data:image/svg+xml;base64,") + b64encode(svg).decode()


def _as_text(value: object) -> object:
    """Make any text that a template prints safe to encode: names may hold undecodable bytes and controls."""
    return display_path(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _prose(text: str) -> Markup:
    """Keep a number and its percent sign on one line."""
    return Markup(str(escape(display_path(text))).replace(" %", "&nbsp;%"))  # noqa: S704 - escaped just here
