"""The files of a deployment that are text, made from templates beside this one."""

from __future__ import annotations

import json
from collections.abc import Mapping

__all__ = ["rendered"]


def rendered(template: str, values: Mapping[str, object]) -> bytes:
    """Fill in a template.

    Parameters
    ----------
    template : str
        Its path inside ``templates``, without ``.j2``.
    values : mapping
        Plain words and numbers: nothing is quoted on the way.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("gingham.deploy"),
        autoescape=False,  # noqa: S701 (no HTML)
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["json"] = json.dumps
    return environment.get_template(f"{template}.j2").render(values).encode()
