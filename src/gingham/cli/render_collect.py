"""What became of links, in words for a person at a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from gingham.cli.texts import near, tabulated
from gingham.records import count_of, display_path

if TYPE_CHECKING:
    from gingham.collect.records import Status
    from gingham.workflow.collect_files import AttributionResult, StatusResult
    from gingham.workflow.collecting import CollectResult

WORDS = {
    "ok": "stored",
    "duplicate": "the same bytes as another link of the class",
    "bad_url": "no address that can be fetched",
    "bad_label": "the label cannot be the name of a folder",
    "blocked_address": "a private address (--allow-private fetches from those too)",
    "dns": "no such server",
    "connection": "the server could not be reached, or hung up",
    "tls": "the server's certificate is not valid",
    "timeout": "not done in time (--timeout)",
    "redirects": "redirected in a circle, or too often",
    "forbidden": "not for us: login, payment or ban (401, 403)",
    "not_found": "not there (404, 410)",
    "throttled": "the server asks for fewer requests (429, 503)",
    "server_error": "a fault of the server (5xx)",
    "http_error": "another HTTP error",
    "noai": "the server says noai or noimageai",
    "html": "a web page instead of an image",
    "empty": "nothing in it",
    "not_an_image": "no image",
    "unsupported_format": "a format that is not read",
    "truncated": "cut short",
    "corrupt": "a damaged image",
    "too_small": "too few pixels (--min-side)",
    "too_large": "too many bytes or pixels (--max-bytes, --max-pixels)",
}
SHOWN_CLASSES = 20


def collect(result: CollectResult) -> str:
    """Say what was fetched, what was not and why, and what to type next."""
    fetched = sum(result.now.values())
    parts = [f"{result.notice}\n"] if result.notice else []
    for each in result.providers:
        found = f"{each.provider}: {count_of(each.found, 'image')} found, {each.kept:,} of them new."
        parts.append(f"{found} {each.problem}".rstrip())
    if fetched:
        rate = f", {fetched / result.seconds:,.0f}/s" if result.seconds > 1 else ""
        parts.append(f"{count_of(fetched, 'link')} tried in {result.seconds:,.0f} s{rate}:")
        parts.append(_statuses(result.now))
    else:
        known = sum(result.all.values())
        parts.append(f"Nothing to fetch: all {count_of(known, 'link')} were done before." if known else "No link.")
    failed = sum(count for status, count in result.all.items() if status not in ("ok", "duplicate"))
    if result.left:
        parts.append(f"{count_of(result.left, 'link')} are yet to be fetched: type the same command again.")
    if result.per_class:
        parts += ["", f"{near(result.folder)} now holds:", _classes(result.per_class)]
    if failed:
        parts.append(f"{count_of(failed, 'link')} gave no image; --retry failed tries them again.")
    if result.per_class:
        parts.append(f"Now type `{result.command}`.")
    return "\n".join([*parts, *(f"Note: {warning}" for warning in result.warnings)])


def _statuses(counts: Mapping[Status, int]) -> str:
    rows = [(f"{count:,}", status.value, WORDS[status.value]) for status, count in counts.items()]
    width = max(len(row[0]) for row in rows)
    return "\n".join(f"  {line}" for line in tabulated((" " * width, "", ""), [
        (count.rjust(width), name, words) for count, name, words in rows
    ]).splitlines()[1:])  # fmt: skip


def _classes(per_class: Mapping[str, int]) -> str:
    shown = sorted(per_class.items(), key=lambda item: (-item[1], item[0]))
    lines = [f"  {count:,} {display_path(name)}" for name, count in shown[:SHOWN_CLASSES]]
    more = len(shown) - SHOWN_CLASSES
    return "\n".join(lines + ([f"  and {more:,} classes with fewer"] if more > 0 else [])) or "  no image"


def status(result: StatusResult) -> str:
    """Say what became of all links of a dataset."""
    lines = [f"{count_of(sum(result.counts.values()) + result.left, 'link')} of {result.dataset}:"]
    lines += [_statuses(result.counts)] if result.counts else []
    lines += [f"{result.left:,} are yet to be fetched."] if result.left else []
    lines += [f"Wrote {near(result.output)}."] if result.output else []
    return "\n".join([*lines, *(f"Note: {warning}" for warning in result.warnings)])


def attribution(result: AttributionResult) -> str:
    """Say what was written where."""
    lines = [f"Wrote the credits of {count_of(result.images, 'image')} to {near(result.output)}."]
    if result.unknown:
        lines.append(f"The licence of {result.unknown:,} of them is not known: look at where they come from.")
    return "\n".join([*lines, *(f"Note: {warning}" for warning in result.warnings)])
