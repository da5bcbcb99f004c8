"""Damaged files of every format through the running service: an answer that names the damage, or a prediction."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from tests.images import makers
from tests.serve.load import Tally, closed_loop, request
from tests.serve.process import ServiceProcess

CLIENTS = 8
ALLOWED = {200, 413, 415, 422}


def mutations(count: int) -> Iterator[bytes]:
    """Yield changed files, the same ones each time; every other has been changed twice."""
    files = {**makers.good_files(), **{name: data for name, (data, _) in makers.odd_files().items()}}
    whole = list(files.values())
    for seed in range(count):
        rng = np.random.default_rng(seed)
        data = makers.mutated(whole[seed % len(whole)], rng)
        yield makers.mutated(data, rng) if seed % 2 and data else data


async def send_all(port: int, count: int) -> Tally:
    """Send so many mutations, each once; an empty one is left out."""
    contents = [request(port, data) for data in mutations(count) if data]
    shares = [contents[place::CLIENTS] for place in range(CLIENTS)]
    tallies = await asyncio.gather(*(closed_loop(port, share, 1, 3600, times=len(share)) for share in shares))
    total = Tally()
    for tally in tallies:
        total.statuses += tally.statuses
        total.lost += tally.lost
        total.unconnected += tally.unconnected
    assert total.statuses.total() == len(contents)
    return total


def test_no_damage_is_more_than_an_answer(model: Path, tmp_path: Path) -> None:
    with ServiceProcess(model, tmp_path, "--no-access-log") as service:
        tally = asyncio.run(send_all(service.port, 1000))
        assert set(tally.statuses) <= ALLOWED
        assert {200, 415, 422} <= set(tally.statuses)
        assert tally.lost == []
        assert tally.unconnected == 0
        assert service.metric("gingham_decoders_replaced") == 0
        assert service.idle()
        assert service.log == ""  # nor what a library says of a damaged file
