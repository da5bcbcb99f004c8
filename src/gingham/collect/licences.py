"""Licences under the same few codes, whatever a provider calls them."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from gingham.collect.cleaning import plain_text
from gingham.errors import ConfigError, did_you_mean

__all__ = [
    "CODES",
    "FLICKR_IDS",
    "Licence",
    "check_licences",
    "flickr_licence",
    "licence_name",
    "licence_page",
    "matches",
    "parse_licence",
]

CODES = ("cc0", "pdm", "by", "by-sa", "by-nc", "by-nd", "by-nc-sa", "by-nc-nd")
"""``pdm`` is all that is said to be in the public domain, by the Public Domain Mark or otherwise."""

_ELEMENTS = ("nc", "sa", "nd")  # in the order in which a code names them
_VERSION = re.compile(r"\d{1,2}(\.\d{1,2})?( ([a-z]{2}|igo|scotland))?")
_ZERO = "https://creativecommons.org/publicdomain/zero/1.0/"
_MARK = "https://creativecommons.org/publicdomain/mark/1.0/"
_FLICKR = (
    "",  # 0: all rights reserved
    "by-nc-sa 2.0",
    "by-nc 2.0",
    "by-nc-nd 2.0",
    "by 2.0",
    "by-sa 2.0",
    "by-nd 2.0",
    "No known copyright restrictions",
    "United States Government Work",
    "cc0 1.0",
    "pdm 1.0",
    "by 4.0",
    "by-sa 4.0",
    "by-nd 4.0",
    "by-nc 4.0",
    "by-nc-sa 4.0",
    "by-nc-nd 4.0",
)
FLICKR_IDS = tuple(range(1, len(_FLICKR)))
"""Flickr's numbers for all but *all rights reserved*, as ``flickr.photos.licenses.getInfo`` lists them."""


@dataclass(frozen=True, slots=True)
class Licence:
    """What may be done with an image, as its provider says.

    Parameters
    ----------
    code : str
        One of `CODES`; the provider's own name for any other licence; empty where it is not known.
    version : str
        ``4.0``, or ``3.0 de`` for one that was adapted to a country; empty where it is not known, or there is none.
    url : str
        Where its text is: at Creative Commons, made from code and version; empty for others.
    """

    code: str = ""
    version: str = ""
    url: str = ""


def parse_licence(name: object, version: object = "") -> Licence:
    """Read a licence as Openverse (``by-sa`` and a version) or Wikimedia Commons (``cc-by-sa-4.0``) names it.

    Parameters
    ----------
    name : object
        What is no text is no known licence.
    version : object
        Where the provider tells it apart from the name.

    Examples
    --------
    >>> parse_licence("CC BY-SA 4.0")
    Licence(code='by-sa', version='4.0', url='https://creativecommons.org/licenses/by-sa/4.0/')
    >>> parse_licence("by", "2.0").code, parse_licence("pd").code, parse_licence("GFDL").code
    ('by', 'pdm', 'GFDL')
    """
    shown = plain_text(name, 100)
    words = re.findall(r"[a-z]+|\d+(?:\.\d+)?|\+", shown.lower().replace("cc0", "cc zero"))
    stated = plain_text(version, 20).lower()
    if words[:1] == ["cc"]:
        words = words[1:]
    if words[:1] == ["zero"]:
        return Licence("cc0", "1.0", _ZERO)
    if words[:2] == ["public", "domain"] or words[:1] in (["pd"], ["pdm"]):
        marked = "mark" in words or words[0] == "pdm"
        return Licence("pdm", "1.0", _MARK) if marked else Licence("pdm")
    elements = list(_until_number(words))
    code = "-".join(["by", *(element for element in _ELEMENTS if element in elements)])
    if elements[:1] != ["by"] or set(elements) - {"by", *_ELEMENTS} or code not in CODES:
        return Licence(shown)
    found = " ".join(words[len(elements) : len(elements) + 2]) or stated
    found = found if _VERSION.fullmatch(found) else found.partition(" ")[0]
    return Licence(code, found, licence_page(code, found)) if _VERSION.fullmatch(found) else Licence(code)


def _until_number(words: Iterable[str]) -> Iterable[str]:
    for word in words:
        if word[0].isdigit():
            return
        yield word


def flickr_licence(number: object) -> Licence:
    """Read a licence as Flickr numbers it, given as a number or a text.

    >>> flickr_licence("4").code, flickr_licence(11).version, flickr_licence(0)
    ('by', '4.0', Licence(code='', version='', url=''))
    """
    text = str(number)
    if not (isinstance(number, int | str) and text.isascii() and text.isdecimal() and int(text[:9]) < len(_FLICKR)):
        return Licence()
    return parse_licence(_FLICKR[int(text)])


def licence_page(code: str, version: str) -> str:
    """Return where Creative Commons keeps the text of a licence, or an empty text where there is none.

    >>> licence_page("by", "3.0 de"), licence_page("by", "../evil"), licence_page("GFDL", "1.2")
    ('https://creativecommons.org/licenses/by/3.0/de/', '', '')
    """
    if code not in CODES or not _VERSION.fullmatch(version):
        return ""
    if code in {"cc0", "pdm"}:
        return (_ZERO if code == "cc0" else _MARK) if version == "1.0" else ""
    return f"https://creativecommons.org/licenses/{code}/{version.replace(' ', '/')}/"


def licence_name(code: str, version: str) -> str:
    """Return a licence as people write it.

    >>> licence_name("by-sa", "4.0"), licence_name("cc0", "1.0"), licence_name("pdm", "1.0"), licence_name("pdm", "")
    ('CC BY-SA 4.0', 'CC0 1.0', 'Public Domain Mark 1.0', 'public domain')
    """
    if code == "pdm":
        return f"Public Domain Mark {version}" if version else "public domain"
    if code not in CODES:
        return code
    return f"{'CC0' if code == 'cc0' else f'CC {code.upper()}'} {version}".strip()


def matches(code: str, wanted: Collection[str]) -> bool:
    """Say whether a licence is one of those that are wanted; all are where none is named.

    >>> matches("by", ["cc0", "by"]), matches("GFDL", ["by"]), matches("", [])
    (True, False, True)
    """
    return not wanted or code in wanted


def check_licences(names: Iterable[str]) -> tuple[str, ...]:
    """Return the codes that a user wants, in small letters, each once.

    Raises
    ------
    ConfigError
        For a name that is no code; names the nearest.

    >>> check_licences(["CC0", "by", "cc-by"])
    ('cc0', 'by')
    """
    wanted: dict[str, None] = {}
    for name in names:
        code = name.strip().lower()
        code = code.removeprefix("cc-").removeprefix("cc ") if code not in CODES else code
        if code not in CODES:
            raise ConfigError(
                f"--licence names `{plain_text(name, 100)}`; allowed are {', '.join(CODES)}.{did_you_mean(code, CODES)}"
            )
        wanted[code] = None
    return tuple(wanted)
