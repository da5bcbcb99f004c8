r"""Queries by combination: ``{blouse,hoodie} {striped,dotted}`` stands for four queries, and names their labels.

``{a,b}`` is a group of alternatives, numbered from 1. An alternative may be empty: ``{,red }shirt`` is *shirt* and
*red shirt*. A backslash takes the meaning from a brace, a comma or a backslash: ``\{``. Groups do not nest.
"""

from __future__ import annotations

import itertools
import math

from gingham.errors import UsageError
from gingham.records import display_path

__all__ = ["MOST_QUERIES", "expand"]

MOST_QUERIES = 10_000
_SPECIAL = frozenset("{},\\")


def expand(query: str, label: str = "") -> list[tuple[str, str]]:
    """Return each query that a pattern stands for, and the label of its images.

    Parameters
    ----------
    query : str
        With groups of alternatives in braces.
    label : str
        A template: ``{1}`` is the alternative that the first group has in the query, ``{2}`` that of the second, and
        ``{0}`` the whole query. Empty: the alternative of the only group, or the query itself where there is no group.

    Returns
    -------
    list of (str, str)
        Query and label; the last group varies fastest. Spaces are collapsed. What comes twice is there once.

    Raises
    ------
    UsageError
        For braces that do not pair or nest, a query or label that would be empty, a group that is not there, several
        groups and no label, or more than 10,000 queries.

    Examples
    --------
    >>> expand("{blouse,vest} {striped,dotted}", "{2}")
    [('blouse striped', 'striped'), ('blouse dotted', 'dotted'), ('vest striped', 'striped'), ('vest dotted', 'dotted')]
    >>> expand("{,red }shirt", "{0}")
    [('shirt', 'shirt'), ('red shirt', 'red shirt')]
    >>> expand("{cat,dog} photo")
    [('cat photo', 'cat'), ('dog photo', 'dog')]
    """
    for option, text in (("query", query), ("label", label)):
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise UsageError(f"--{option} `{display_path(text)}` holds bytes that are not UTF-8. Type it as text.")
    parts = _parse(query)
    groups = [part for part in parts if isinstance(part, list)]
    wanted = math.prod(len(group) for group in groups)
    if wanted > MOST_QUERIES:
        raise UsageError(
            f"--query stands for {wanted:,} queries; at most {MOST_QUERIES:,} are allowed. Use fewer alternatives, or "
            "search several times."
        )
    template = _label_parts(label, len(groups)) if label.strip() else _usual_label(query, len(groups))
    pairs: dict[tuple[str, str], None] = {}
    for chosen in itertools.product(*groups):
        alternatives = iter(chosen)
        text = _collapse("".join(next(alternatives) if isinstance(part, list) else part for part in parts))
        if not text:
            raise UsageError(f'--query `{query}` holds an empty query. Type some words: --query "{{cat,dog}} photo"')
        named = (text, *chosen)
        name = _collapse("".join(named[part] if isinstance(part, int) else part for part in template))
        if not name:
            raise UsageError(
                f'The label of the query `{text}` would be empty. Name it by the whole query: --label "{{0}}"'
            )
        pairs[text, name] = None
    return list(pairs)


def _usual_label(query: str, groups: int) -> list[str | int]:
    if groups > 1:
        raise UsageError(
            f'Which of the {groups} groups of alternatives in --query `{query}` is the label? Type --label "{{1}}" '
            f'for the first, --label "{{{groups}}}" for the last, or --label "{{1}}-{{{groups}}}" for both.'
        )
    return [groups]


def _collapse(text: str) -> str:
    return " ".join(text.split())


def _characters(text: str) -> list[tuple[str, bool]]:
    """Return each character of a pattern, and whether it has a meaning there."""
    found = []
    characters = iter(text)
    for character in characters:
        following = next(characters, "") if character == "\\" else ""
        if following in _SPECIAL:
            found.append((following, False))
        else:
            found.append((character, character in "{},"))
            found.extend((each, False) for each in following)
    return found


def _parse(query: str) -> list[str | list[str]]:
    """Return literal texts, and lists of alternatives, in their order."""
    parts: list[str | list[str]] = []
    literal = ""
    group: list[str] | None = None
    for character, special in _characters(query):
        if not special or (character == "," and group is None):
            if group is None:
                literal += character
            else:
                group[-1] += character
        elif character == ",":
            assert group is not None
            group.append("")
        elif character == "{":
            if group is not None:
                raise UsageError(
                    f"--query `{query}` has braces inside braces, which is not allowed. Write out the alternatives, as "
                    "in {red cat,red dog,horse}; a brace that is meant is \\{."
                )
            parts.append(literal)
            literal, group = "", [""]
        elif group is None:
            raise UsageError(f"--query `{query}` has a }} without its {{. A brace that is meant is \\}}.")
        elif group == [""]:
            raise UsageError(f"--query `{query}` has an empty {{}}. Type its alternatives, as in {{cat,dog}}.")
        else:
            parts.append(group)
            group = None
    if group is not None:
        raise UsageError(f"--query `{query}` has a {{ without its }}. A brace that is meant is \\{{.")
    return [*parts, literal]


def _label_parts(label: str, groups: int) -> list[str | int]:
    """Return literal texts, and numbers of groups, in their order."""
    allowed = " or ".join(f"{{{number}}}" for number in range(min(groups, 9), -1, -1))
    parts: list[str | int] = []
    text = ""
    number: str | None = None
    for character, special in _characters(label):
        if not special or character == ",":
            if number is None:
                text += character
            else:
                number += character
        elif character == "{" and number is None:
            parts.append(text)
            text, number = "", ""
        elif character == "}" and number is not None:
            digits = number.strip()
            if not (digits.isascii() and digits.isdecimal() and int(digits[:9]) <= groups):
                have = "1 group" if groups == 1 else f"{groups} groups"
                raise UsageError(
                    f"--label `{label}` names {{{number}}}, but --query has {have} of alternatives. Type {allowed}; "
                    "{0} is the whole query."
                )
            parts.append(int(digits))
            number = None
        else:
            raise UsageError(f'--label `{label}` has braces that do not pair. Type {allowed}, as in --label "{{0}}".')
    if number is not None:
        raise UsageError(f'--label `{label}` has a {{ without its }}. Type {allowed}, as in --label "{{0}}".')
    return [*parts, text]
