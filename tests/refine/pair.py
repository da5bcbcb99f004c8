"""Two processes that train together, for one scenario after the other, so that both start only once.

Process 0 refines as a user's command would; process 1 helps, and has the accident that the scenario is about.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gingham.config import Refinement
from gingham.executors import Launch
from gingham.refine import Files, Parts, Refined, help_to_refine, refine
from gingham.refine.classifier import Classifier
from gingham.refine.ranks import Ranks, open_ranks

N, TRAIN, VALIDATION = 24, 14, 18
QUICK = {
    "epochs": 3, "batch_size": 5, "learning_rate": 0.01, "precision": "f32", "device": "cpu", "depth": "all",
    "optimizer": "sgd", "ema": 0.9, "trainings": 1,
}  # fmt: skip
forward, read = Classifier.forward, Files.read


@dataclass(frozen=True)
class Scenario:
    """Settings, and what goes wrong in process 1 only."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    accident: str = ""


def train(work: tuple[Any, Files, np.ndarray], place: Path, **settings: Any) -> Refined:
    backbone, files, labels = work
    rows = np.arange(N)
    return refine(
        backbone, files, Parts(rows[:TRAIN], rows[TRAIN:VALIDATION], rows[VALIDATION:], labels, 3),
        np.zeros((3, backbone.n_features)), np.zeros(3), Refinement(**(QUICK | settings)), seed=0, engine="openvino",
        engine_precision="f32", checkpoint=place / "checkpoint", activations=place / "activations", converted=None,
        report=lambda *_: None, say=lambda _: None,
    )  # fmt: skip


def outcomes(work: tuple[Any, Files, np.ndarray], scenarios: Mapping[str, Scenario], folder: Path) -> dict[str, Any]:
    """Return for each scenario what came of it in process 0: a Refined, or an exception."""
    context = multiprocessing.get_context("spawn")
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    both = [context.Process(target=_one, args=(rank, work, scenarios, folder)) for rank in (0, 1)]
    for process in both:
        process.start()
    for process in both:
        process.join(200)
    assert [process.exitcode for process in both] == [0, 9]  # the last scenario is the end of process 1
    return pickle.loads((folder / "outcomes").read_bytes())


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _one(rank: int, work: tuple[Any, Files, np.ndarray], scenarios: Mapping[str, Scenario], folder: Path) -> None:
    torch.set_num_threads(1)
    os.environ |= {"RANK": str(rank), "WORLD_SIZE": "2"}
    with open_ranks(Launch(rank, 2, rank, 2)) as ranks:
        if rank == 0:
            found = {name: _outcome(ranks, work, scenarios[name], folder / name) for name in scenarios}
            (folder / "outcomes").write_bytes(pickle.dumps(found))
        else:
            for scenario in scenarios.values():
                ACCIDENTS[scenario.accident]()
                help_to_refine(ranks)
                Classifier.forward, Files.read = forward, read


def _outcome(ranks: Ranks, work: tuple[Any, Files, np.ndarray], scenario: Scenario, place: Path) -> Any:
    try:
        made: Any = train(work, place, **scenario.settings)
    except (Exception, KeyboardInterrupt) as error:
        made = error
    if scenario.accident != "it is killed":
        ranks.tell(None)
    return made


def _in_training(accident: Callable[[Classifier, torch.Tensor], torch.Tensor]) -> None:
    def changed(self: Classifier, inputs: torch.Tensor) -> torch.Tensor:
        return accident(self, inputs) if self.training else forward(self, inputs)

    Classifier.forward = changed


def _out_of_memory(most: int) -> Callable[[], None]:
    def accident(self: Classifier, inputs: torch.Tensor) -> torch.Tensor:
        if len(inputs) > most:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(self, inputs)

    return lambda: _in_training(accident)


def _signalled() -> None:
    calls: list[int] = []

    def accident(self: Classifier, inputs: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        if len(calls) == 5:  # two for the estimate
            os.kill(os.getpid(), signal.SIGTERM)
        return forward(self, inputs)

    _in_training(accident)


def _cannot_read(gone: Callable[[int], bool]) -> Callable[[], None]:
    def changed(self: Files, row: int, view: int | None) -> Any:
        return None if gone(row) else read(self, row, view)

    def accident() -> None:
        Files.read = changed

    return accident


ACCIDENTS: dict[str, Callable[[], None]] = {
    "": lambda: None,
    "it cannot read one image": _cannot_read(lambda row: row == 3),
    "it cannot read any image": _cannot_read(lambda _: True),
    "it has memory for one image": _out_of_memory(1),
    "it has no memory": _out_of_memory(0),
    "its loss is no number": lambda: _in_training(lambda self, inputs: forward(self, inputs) * float("nan")),
    "it is told to end": _signalled,
    "it is killed": lambda: _in_training(lambda *_: os._exit(9)),
}
