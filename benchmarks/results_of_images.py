"""The parts of the page of results that are about images before they are learnt from: fetched, hashed, checked."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

__all__ = ["collecting", "hashing", "label_errors", "million", "near_duplicates"]

Figures = dict[str, Any]
OTHERS = {
    "img2dataset": "img2dataset, 2 processes",
    "gather": "`asyncio.gather` over aiohttp, Pillow in threads",
}


def near_duplicates(f: Figures) -> Iterator[str]:
    """Exact search, against brute force and against imagededup."""
    yield f"## All near-duplicate pairs of {f['hashes']:,} hashes within {f['radius']} bits\n"
    yield "| ours | brute force (numpy, popcount) | ratio | pairs | exact |"
    yield "|---|---|---|---|---|"
    exact = "yes" if f["exact"] else "NO"
    yield f"| {f['seconds']:.2f} s | {f['brute_force_seconds']:.1f} s | {f['ratio']:.0f}x | {f['pairs']:,} | {exact} |"
    if theirs := f.get("imagededup"):
        yield "\nThe default search of imagededup takes no more than 64 bits. Against the faster one of its others,"
        yield "brute force, with a popcount for the distance, which is faster than its own:\n"
        yield "| hashes | ours | imagededup | ratio | of its pairs found by ours |"
        yield "|---|---|---|---|---|"
        yield (
            f"| {theirs['part']:,} | {theirs['ours']:.3f} s | {theirs['seconds']:.0f} s | {theirs['ratio']:,.0f}x "
            f"| {_share(theirs['recall'])} of {theirs['pairs']:,} |"
        )
        yield (
            f"| {f['hashes']:,} | {f['seconds']:.3f} s | {theirs['seconds_for_all']:,.0f} s, as {theirs['queries']} of "
            f"them take | {theirs['ratio_for_all']:,.0f}x "
            f"| {_share(theirs['recall_of_queries'])} of {theirs['pairs_of_queries']:,} |"
        )


def hashing(f: Figures) -> Iterator[str]:
    """Files to hashes, against imagehash."""
    yield "## Files to 256-bit hashes\n"
    yield f"{f['files']:,} photos, {f['megabytes']:.0f} MB, files a second.\n"
    yield "| | ours | `imagehash` on files that Pillow opens | ratio |"
    yield "|---|---|---|---|"
    yield (
        f"| one thread | {f['ours_in_one_thread']:.0f} | {f['imagehash']:.0f} "
        f"| {f['ratio_of_one_thread']:.1f}x, by processor time {f['ratio_by_processor_time']:.1f}x |"
    )
    yield f"| as used: ours in {f['threads']} threads | {f['ours']:.0f} | {f['imagehash']:.0f} | {f['ratio_as_used']:.1f}x |"  # noqa: E501
    yield (
        f"| both in {f['threads']} threads | {f['ours']:.0f} | {f['imagehash_in_threads']:.0f} "
        f"| {f['ratio_in_threads']:.1f}x |"
    )
    yield (
        f"\nOf the same pixels {_share(f['same_pixels_identical'])} of the hashes are the same, bit by bit. Of the "
        f"files, which ours decodes at a reduced scale, they are {f['median_bits_apart']:.0f} bits apart (median)."
    )


def million(f: Figures) -> Iterator[str]:
    """Seconds and memory of commands in a large project."""
    small, rows = f"{f['small']:,}", f"{f['rows']:,}"
    yield f"## Commands in a project of {rows} images\n"
    yield f"Whole processes, start included, where ledger, index and annotations hold {rows} rows each, and {small}.\n"
    yield f"| `gingham` | rows handled | {small} | {rows} | of it processor time | peak memory, {small} | {rows} |"
    yield "|---|---|---|---|---|---|---|"
    for c in f["commands"]:
        yield (
            f"| {c['name']} | {c['handles'] + ' all' if c['handles'] else ''} "
            f"| {c['seconds_small']:.2f} s | {c['seconds_large']:.2f} s | {c['cpu_seconds_large']:.2f} s "
            f"| {c['peak_small']:.0f} MiB | {c['peak_large']:.0f} MiB |"
        )


def collecting(f: Figures) -> Iterator[str]:
    """Links fetched, against img2dataset and a simple program."""
    yield f"## Downloading {f['links']:,} photos, {f['with_faults']} of them with faults\n"
    yield "JPEGs of 40 KB from a server on the same machine, 64 requests at once, each link tried once.\n"
    yield "| | links a second | processor time a link | images stored | ours against it: links a second | processor time |"  # noqa: E501
    yield "|---|---|---|---|---|---|"
    for name, title in {"gingham": "ours", **OTHERS}.items():
        if name in f:
            each = f[name]
            ratios = "| | |" if name == "gingham" else f"| {f[f'rate_of_{name}']:.2f}x | {f[f'cpu_of_{name}']:.2f}x |"
            yield (f"| {title} | {each['rate']:.0f} | {each['cpu_ms_a_link']:.2f} ms | {each['stored']:,} {ratios}")
    wrong = ", ".join(f"{count} times {what}" for what, count in f["misnamed"].items())
    yield f"\nOurs told every fault by its name: {'yes' if not wrong else f'NO, {wrong}'}."


def label_errors(rows: list[Figures]) -> Iterator[str]:
    """Wrong labels found, against cleanlab."""
    yield "## Wrong labels: those of 5 % of the photos exchanged\n"
    yield f"Average precision of the rankings, means of {rows[0]['seeds']} seeds.\n"
    yield f"| ranking | {' | '.join(_case(row) for row in rows)} |"
    yield "|---" * (len(rows) + 1) + "|"
    for name in rows[0]:
        if name.startswith(("ours", "cleanlab ")) and ":" not in name:
            yield f"| {name} | {' | '.join(f'{row[name]:.3f}' for row in rows)} |"
    yield "\nWhat each claims to be wrong:\n"
    yield "| | | claimed | of those wrong | of the wrong found |"
    yield "|---|---|---|---|---|"
    for row in rows:
        for who in ("ours", "cleanlab"):
            shares = (row[f"{who}: {what}"] for what in ("claimed", "of those wrong", "of the wrong found"))
            yield f"| {_case(row)} | {who} | {' | '.join(f'{share:.1%}' for share in shares)} |"


def _case(row: Figures) -> str:
    return f"{row['dataset']}, {row['exchanged']}"


def _share(value: float) -> str:
    """Return a share in percent, 100 % only where it is all."""
    return "100%" if value == 1 else f"{min(value, 0.9999):.2%}"
