"""What strangers write, made harmless: one line of plain text, or a web address, or nothing."""

from __future__ import annotations

import unicodedata
from html.parser import HTMLParser
from urllib.parse import urlsplit

__all__ = ["MOST_CHARACTERS", "first_link", "one_line", "plain_text", "web_address"]

MOST_CHARACTERS = 500
_MOST_OF_ADDRESS = 2000
_MOST_OF_MARKUP = 20_000  # characters that are read at all
_MOST_TAGS = 200  # for some malformed markup, the time that html.parser takes grows with both
_JOINERS = "\u200c\u200d"  # formatting that scripts and emoji need; all other is invisible, or turns text around
_SILENT = frozenset({"script", "style", "template", "noscript"})


class _Text(HTMLParser):
    """Collects what a page would show of a piece of HTML, and the first address that it links to."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.pieces: list[str] = []
        self.link = ""
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SILENT:
            self._silent += 1
        if tag in {"br", "p", "div", "li", "tr", "td", "th"}:
            self.pieces.append(" ")
        if tag == "a" and not self.link:
            self.link = web_address(dict(attrs).get("href"))

    def handle_endtag(self, tag: str) -> None:
        if tag in _SILENT and self._silent:
            self._silent -= 1

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.pieces.append(data)


def _read(markup: str) -> _Text:
    parser = _Text()
    try:
        parser.feed("<".join(markup[:_MOST_OF_MARKUP].split("<", _MOST_TAGS)[:_MOST_TAGS]))
        parser.close()
    except AssertionError:  # how html.parser meets some malformed declarations: what came before them stays
        pass
    return parser


def plain_text(value: object, limit: int = MOST_CHARACTERS) -> str:
    r"""Return one line of plain text: no tags, entities decoded, no controls, nothing that turns the text around.

    Parameters
    ----------
    value : object
        Text, perhaps HTML; anything else gives an empty text.
    limit : int
        Most characters; a longer text ends in an ellipsis.

    Examples
    --------
    >>> plain_text('<a href="https://example.org">Ann &amp;\n Bob</a><script>x()</script>')
    'Ann & Bob'
    >>> plain_text(None)
    ''
    """
    if not isinstance(value, str):
        return ""
    return one_line("".join(_read(value).pieces) if "<" in value or "&" in value else value[:_MOST_OF_MARKUP], limit)


def one_line(text: str, limit: int = MOST_CHARACTERS) -> str:
    r"""Return a text without controls and line breaks, and without what turns it around; nothing in it is HTML.

    >>> one_line("a\n\u202eb <c>")
    'a b <c>'
    """
    harmless = text if text.isprintable() else "".join(_harmless(character) for character in text)
    line = " ".join(harmless.split())
    return line if len(line) <= limit else f"{line[: limit - 1].rstrip()}…"


def _harmless(character: str) -> str:
    kind = unicodedata.category(character)
    if kind == "Cc":
        return " "
    return "" if kind == "Cs" or (kind == "Cf" and character not in _JOINERS) else character


def first_link(value: object) -> str:
    """Return the address that a piece of HTML links to first, as `web_address` does.

    >>> first_link('by <a href="//example.org/ann">Ann</a>')
    'https://example.org/ann'
    """
    return _read(value).link if isinstance(value, str) else ""


def web_address(value: object) -> str:
    """Return an http or https address as it is, or an empty text where it is none that may be used.

    One without a scheme (``//example.org``) becomes https. Dropped are: other schemes, a user or password, more than
    2,000 characters, spaces, controls and backslashes.

    >>> web_address("https://example.org/a.jpg")
    'https://example.org/a.jpg'
    >>> web_address("javascript:alert(1)"), web_address("https://user@example.org/"), web_address(7)
    ('', '', '')
    """
    if not isinstance(value, str):
        return ""
    address = value.strip(" ")
    if address.startswith("//"):
        address = f"https:{address}"
    if len(address) > _MOST_OF_ADDRESS or "\\" in address:
        return ""
    if any(unicodedata.category(character)[0] in "CZ" for character in address):
        return ""
    try:
        parts = urlsplit(address)
        valid_port = parts.port is None or parts.port > 0
    except ValueError:
        return ""
    whole = parts.scheme in {"http", "https"} and parts.hostname and "@" not in parts.netloc and valid_port
    return address if whole else ""
