"""What all pages have in common: one HTML file in light and dark that needs nothing else, with figures inside."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from gingham.evaluate.figures import figure_bytes
from gingham.evaluate.theme import DARK, LIGHT, Theme
from gingham.evaluate.wording import class_name
from gingham.records import display_path

if TYPE_CHECKING:
    from jinja2 import Environment
    from matplotlib.figure import Figure

__all__ = ["Picture", "new_environment", "picture_of", "style_sheet"]


@dataclass(frozen=True)
class Picture:
    """A figure for both schemes, as data URLs, and what it shows for those who cannot see it."""

    light: Markup
    dark: Markup
    alt: str


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


def picture_of(draw: Callable[[Theme], Figure], alt: str) -> Picture:
    """Draw a figure in light and in dark."""
    light, dark = (
        Markup("data:image/svg+xml;base64,") + b64encode(figure_bytes(draw(theme), "svg")).decode()
        for theme in (LIGHT, DARK)
    )
    return Picture(light, dark, alt)


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


def _as_text(value: object) -> object:
    """Make any text that a template prints safe to encode: names may hold undecodable bytes and controls."""
    return display_path(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _prose(text: str) -> Markup:
    """Keep a number and its percent sign on one line."""
    return Markup(str(escape(display_path(text))).replace(" %", "&nbsp;%"))  # noqa: S704 - escaped just here
