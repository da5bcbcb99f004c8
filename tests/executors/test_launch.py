"""Whether a process is one of several: said by all the variables that torchrun sets, or it is alone."""

from __future__ import annotations

import pytest

from gingham.errors import UsageError
from gingham.executors import Launch, launched

SET = {"RANK": "1", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, Launch(1, 4, 1, 4), id="one of four"),
        pytest.param({"LOCAL_WORLD_SIZE": "4"}, Launch(1, 4, 1, 4), id="all on this machine"),
        pytest.param({"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1"}, None, id="one of one"),
        *[pytest.param({name: ""}, None, id=f"without {name}") for name in SET],
    ],
)
def test_what_the_variables_say(changes: dict[str, str], expected: Launch | None) -> None:
    assert launched(SET | changes) == expected


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"RANK": "4"}, "RANK=4, WORLD_SIZE=4, LOCAL_RANK=1 cannot be", id="a rank too high"),
        pytest.param({"LOCAL_RANK": "one"}, "LOCAL_RANK=one cannot be", id="a word"),
        pytest.param({"LOCAL_WORLD_SIZE": "2"}, "--nproc-per-node 2 -m gingham", id="two machines"),
    ],
)
def test_what_cannot_be(changes: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        launched(SET | changes)
