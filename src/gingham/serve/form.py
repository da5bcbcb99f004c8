"""A form, multipart/form-data, whose body is in memory.

Source: RFC 7578, and RFC 2046, section 5.1.1, for the delimiters.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

__all__ = ["FormError", "Part", "parts_of"]

LONGEST_HEAD = 8 << 10
"""Bytes of the headers of one part."""
# A parameter: name=token, name="quoted, with \" inside", or name*=charset'language'percent-encoded.
_PARAMETER = re.compile(r';\s*([\w-]+\*?)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^;\s]*))')


class FormError(ValueError):
    """A body is no form, or not a whole one."""


@dataclass(frozen=True)
class Part:
    """One part of a form.

    Parameters
    ----------
    name : str
        Of the field.
    filename : str or None
        As it was sent, a path included; None where the part is no file.
    content : bytes
    """

    name: str
    filename: str | None
    content: bytes


def parts_of(body: bytes, content_type: str, most: int) -> list[Part]:
    r"""Take a form apart.

    Parameters
    ----------
    body : bytes
    content_type : str
        The header, with the boundary.
    most : int
        Where there are more parts, one more than so many are returned.

    Raises
    ------
    FormError
        If there is no boundary, an end is missing, or a part does not say what it is.

    Examples
    --------
    >>> body = b'--x\r\nContent-Disposition: form-data; name="image"; filename="a.jpg"\r\n\r\n...\r\n--x--'
    >>> parts_of(body, "multipart/form-data; boundary=x", 8)
    [Part(name='image', filename='a.jpg', content=b'...')]
    """
    boundary = _parameters(content_type).get("boundary", "")
    if not 1 <= len(boundary) <= 70:
        raise FormError("the content type has no boundary of 1 to 70 characters")
    _, *pieces = (b"\r\n" + body).split(b"\r\n--" + boundary.encode("latin-1"), most + 2)
    if len(pieces) < most + 2 and not (pieces and pieces.pop().startswith(b"--")):
        raise FormError("its end is missing")
    return [_part(piece) for piece in pieces[: most + 1]]


def _part(piece: bytes) -> Part:
    head, end, content = piece.partition(b"\r\n\r\n")
    padding, line_break, lines = head.partition(b"\r\n")
    if not end or not line_break or padding.strip(b" \t") or len(head) > LONGEST_HEAD:
        raise FormError("a part has no headers of its own, or headers that are too long")
    for line in lines.split(b"\r\n"):
        title, _, value = line.partition(b":")
        if title.strip().lower() == b"content-disposition":
            parameters = _parameters(value.decode("utf-8", "replace"))
            if "name" in parameters:
                return Part(parameters["name"], _filename(parameters), content)
    raise FormError("a part has no Content-Disposition with a name")


def _parameters(header: str) -> dict[str, str]:
    found = {}
    for name, quoted, plain in _PARAMETER.findall(header):
        found[name.lower()] = re.sub(r'\\(["\\])', r"\1", quoted) or plain
    return found


def _filename(parameters: dict[str, str]) -> str | None:
    charset, _, rest = parameters.get("filename*", "").partition("'")
    if charset.lower() in ("utf-8", "iso-8859-1"):
        return unquote_to_bytes(rest.partition("'")[2]).decode(charset, "replace")
    return parameters.get("filename")
