"""The credits: who made each image that was collected, and under which licence."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from tempfile import SpooledTemporaryFile
from typing import IO, Literal
from urllib.parse import quote

from gingham.collect.cleaning import one_line, web_address
from gingham.collect.licences import CODES, licence_name, licence_page
from gingham.collect.records import Provenance
from gingham.records import display_path, spreadsheet_cell

__all__ = ["COLUMNS", "RIGHTS_NOTICE", "Credit", "write_credits"]

RIGHTS_NOTICE = """\
Licences are what the providers say; they can be wrong, and you answer for what you do with the images.
A licence covers the photograph, not the persons, trade marks or works that it shows.
Respect the terms of each provider. `--licence cc0,by` takes only images under these licences;
`gingham collect attribution` writes the credits that most licences ask for."""
"""To be shown once, before the first search."""

COLUMNS = (
    "path", "label", "title", "creator", "creator_url", "licence", "licence_version", "licence_url", "page", "url",
    "provider", "query", "attribution", "fetched",
)  # fmt: skip

_HEAD = """\
# Credits

Titles, creators and licences are what the providers said when the images were found.

"""
_UNKNOWN = """
## Licence not known

For these images no licence was stated, or none that Gingham knows. Look at their pages before you use them.

"""
_TABLE = """\
| file | title | creator | licence | page | provider | query | attribution | fetched |
|---|---|---|---|---|---|---|---|---|
"""
_IN_MEMORY = 2**20
_LONGEST = 2000
_MARKUP = str.maketrans(
    {character: f"\\{character}" for character in "\\`*_[]|~$"}
    | {"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "&#8288;&#64;"}  # a word joiner: or GitHub sees a mail address
)
_WWW = re.compile(r"(www)\.", re.IGNORECASE)
_IN_ADDRESS = "%:/?#[]@!$&'*+,;=~-._"


@dataclass(frozen=True, slots=True)
class Credit:
    """Whom an image is owed to.

    Parameters
    ----------
    path : str
        Of its file, relative to the dataset, ``/``-separated.
    label : str
    url : str
        Where it was downloaded from.
    provenance : Provenance or None
        None for an image of a list, of which nothing else is known.
    fetched : str
        ISO 8601, UTC.
    """

    path: str
    label: str
    url: str
    provenance: Provenance | None
    fetched: str


_NOTHING = Provenance("", "", "", "", "", "", "", "", "", "")


def write_credits(rows: Iterable[Credit], format: Literal["md", "csv"]) -> Iterator[str]:  # noqa: A002
    """Write a credits file, piece by piece; memory does not grow with the number of images.

    Parameters
    ----------
    rows : iterable of Credit
        Sorted by path.
    format : {"md", "csv"}
        Markdown with a table, in which images whose licence is not known stand apart at the end; or CSV (RFC 4180) in
        which a cell that a spreadsheet would take for a formula gets an apostrophe in front.

    Yields
    ------
    str
        Parts of a text that is to be stored as UTF-8, with its line ends as they are.

    Raises
    ------
    ValueError
        If the rows are not sorted.

    Examples
    --------
    >>> fox = Provenance("x", "fox", "https://example.org/1", "Fox", "Ann", "", "by", "4.0", "", "Fox by Ann")
    >>> text = "".join(write_credits([Credit("fox/1.jpg", "fox", "https://example.org/1.jpg", fox, "")], "md"))
    >>> text.splitlines()[-1].split(" | ")[:3]
    ['| fox/1.jpg', 'Fox', 'Ann']
    """
    return _csv(_sorted(rows)) if format == "csv" else _markdown(_sorted(rows))


def _sorted(rows: Iterable[Credit]) -> Iterator[Credit]:
    before = ""
    for credit in rows:
        if credit.path < before:
            raise ValueError(f"credits must be sorted by path; {credit.path!r} comes after {before!r}")
        before = credit.path
        yield credit


def _csv(rows: Iterable[Credit]) -> Iterator[str]:
    line = io.StringIO(newline="")
    writer = csv.writer(line)
    writer.writerow(COLUMNS)
    yield line.getvalue()
    for credit in rows:
        of = credit.provenance or _NOTHING
        cells = (
            credit.path, credit.label, of.title, of.creator, of.creator_url, of.licence, of.licence_version,
            of.licence_url, of.page, credit.url, of.provider, of.query, of.attribution, credit.fetched,
        )  # fmt: skip
        line.seek(0)
        line.truncate()
        writer.writerow([spreadsheet_cell(cell) for cell in cells])
        yield line.getvalue()


def _markdown(rows: Iterable[Credit]) -> Iterator[str]:
    yield _HEAD
    any_known = False
    with SpooledTemporaryFile(_IN_MEMORY, "w+", encoding="utf-8", newline="") as unknown:
        for credit in rows:
            row = _row(credit)
            if credit.provenance is None or credit.provenance.licence not in CODES:
                unknown.write(row)
                continue
            yield row if any_known else _TABLE + row
            any_known = True
        any_unknown = unknown.tell() > 0
        if any_unknown:
            yield _UNKNOWN + _TABLE
            unknown.seek(0)
            yield from _lines(unknown)
    if not any_known and not any_unknown:
        yield "There are no images.\n"


def _lines(file: IO[str]) -> Iterator[str]:
    yield from file


def _row(credit: Credit) -> str:
    of = credit.provenance or _NOTHING
    name = licence_name(of.licence, of.licence_version)
    cells = (
        _text(display_path(credit.path)),
        _text(of.title),
        _text(of.creator),
        _link(name, licence_page(of.licence, of.licence_version)) or _text(name),
        _link("page", web_address(of.page)) or _text(credit.url),
        _text(of.provider),
        _text(of.query),
        _text(of.attribution),
        _text(credit.fetched),
    )
    return f"| {' | '.join(cells)} |\n"


def _text(text: str) -> str:
    """Return a text that Markdown shows as it is: nothing in it is markup, HTML or an address to follow."""
    shown = one_line(text, _LONGEST).translate(_MARKUP)
    return _WWW.sub(r"\1&#46;", shown.replace("://", "&#58;//"))


def _link(name: str, address: str) -> str:
    """Return a link, or an empty text where there is no address."""
    return f"[{_text(name)}](<{quote(address, safe=_IN_ADDRESS).replace('&', '&amp;')}>)" if address else ""
