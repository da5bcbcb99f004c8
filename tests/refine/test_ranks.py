"""Several processes train one network: to the same result as one, and what befalls one of them ends all alike."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from gingham import Project
from gingham.errors import ConfigError, UnavailableError
from gingham.refine import Refined
from gingham.refine.batches import share_of_batches
from gingham.refine.ranks import LostError, Ranks
from tests.refine.conftest import SmallBackbone, write_files
from tests.refine.pair import Scenario, free_port, outcomes, train
from tests.textures import environment

pytestmark = [pytest.mark.train, pytest.mark.usefixtures("one_torch_thread")]

CLOSE = {"rtol": 1e-3, "atol": 1e-5}
"""Float32 sums in another order, over some ten steps."""

SCENARIOS = {
    "shares of two and three": Scenario(),
    "adamw": Scenario({"optimizer": "adamw", "learning_rate": 1e-3}),
    "one image for two": Scenario({"batch_size": 1, "epochs": 1, "learning_rate": 1e-3}),
    "accumulated": Scenario({"batch_size": 2, "accumulate": 2, "balance": "weights"}),
    "memory for one image": Scenario(accident="it has memory for one image"),
    "chance": Scenario({"dropout": 0.5, "mixup": 0.4, "cutmix": 1.0}),
    "norms": Scenario({"freeze_norm": False}),
    "an image gone": Scenario(accident="it cannot read one image"),
    "every image gone": Scenario(accident="it cannot read any image"),
    "no memory": Scenario(accident="it has no memory"),
    "no number": Scenario(accident="its loss is no number"),
    "two trainings": Scenario({"trainings": 2, "epochs": 2, "learning_rate": 1e-3}),
    "told to end": Scenario(accident="it is told to end"),
    "killed": Scenario(accident="it is killed"),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pair")


@pytest.fixture(scope="module")
def together(folder: Path) -> dict[str, Any]:
    """What came of each scenario in two processes."""
    return outcomes((SmallBackbone(), *write_files(folder / "images")), SCENARIOS, folder)


@pytest.fixture
def alone(folder: Path, tmp_path: Path) -> Callable[..., Refined]:
    """Train with the settings of a scenario in one process."""

    def call(name: str, place: Path = tmp_path) -> Refined:
        return train((SmallBackbone(), *write_files(folder / "images")), place, **SCENARIOS[name].settings)

    return call


def assert_close(a: Refined, b: Refined) -> None:
    for name in a.tensors:
        np.testing.assert_allclose(a.tensors[name], b.tensors[name], **CLOSE, err_msg=name)
    np.testing.assert_allclose(a.coef, b.coef, **CLOSE)
    for own, other in zip(a.epochs, b.epochs, strict=True):
        assert own.train_loss == pytest.approx(other.train_loss, rel=1e-4)
        assert own.validation_loss == pytest.approx(other.validation_loss, rel=1e-4)
        errors = [(e.train_error, e.validation_error, e.test_error) for e in (own, other)]
        assert errors[0] == errors[1]


@pytest.mark.parametrize(
    "name",
    ["shares of two and three", "adamw", "one image for two", "accumulated", "memory for one image", "two trainings"],
)
def test_two_processes_end_with_the_weights_of_one(
    together: dict[str, Any], alone: Callable[..., Refined], name: str
) -> None:
    assert_close(together[name], alone(name))


@pytest.mark.parametrize("name", ["chance", "an image gone", "every image gone"])
def test_what_cannot_be_the_same_is_trained_all_the_same(together: dict[str, Any], name: str) -> None:
    assert len(together[name].epochs) == 3
    assert np.isfinite(together[name].coef).all()


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        pytest.param("norms", ConfigError, "batch norms that learn need all of it. Type: ", id="norms"),
        pytest.param("no memory", UnavailableError, "The memory does not suffice", id="no memory"),
        pytest.param("no number", ConfigError, "The loss is no number any more", id="no number"),
        pytest.param("told to end", KeyboardInterrupt, "", id="told to end"),
        pytest.param("killed", LostError, "it goes on from the last checkpoint", id="killed"),
    ],
)
def test_what_befalls_one_ends_all(together: dict[str, Any], name: str, kind: type, message: str) -> None:
    assert type(together[name]) is kind
    assert message in str(together[name])


def test_one_process_goes_on_from_where_two_were_told_to_end(
    together: dict[str, Any], alone: Callable[..., Refined], folder: Path
) -> None:
    assert together
    assert (folder / "told to end" / "checkpoint").is_file()
    assert_close(alone("told to end", folder / "told to end"), alone("told to end"))


@pytest.mark.parametrize(("images", "size", "processes"), [(23, 5, 2), (23, 6, 4), (3, 8, 2), (3, 8, 5), (7, 1, 3)])
def test_the_shares_are_the_batches(images: int, size: int, processes: int) -> None:
    order = np.random.default_rng(0).permutation(images)
    group = [Ranks() for _ in range(processes)]
    shares = []
    for rank, ranks in enumerate(group):
        ranks.rank, ranks.size = rank, processes
        shares.append(share_of_batches(order, size, ranks))
    assert {steps for _, _, steps in shares} == {max(1, images // size)}
    for step in range(max(1, images // size)):
        batch = [rows[step * own : (step + 1) * own] for rows, own, _ in shares]
        assert np.concatenate(batch).tolist() == order[step * size : (step + 1) * size].tolist()


REFINE = (
    "refine", "--refinement.epochs", "3", "--refinement.batch_size", "8", "--refinement.precision", "f32",
    "--refinement.optimizer", "sgd", "--refinement.learning_rate", "0.002", "--refinement.views", "1",
    "--refinement.trainings", "1",
)  # fmt: skip
ONE_AFTER_THE_OTHER = """
import json, os, sys
from gingham.cli.together import execute
for port, arguments in json.loads(sys.argv[1]):
    os.environ["MASTER_PORT"] = str(port)
    status = execute(arguments)
    print("status", status, flush=True)
    print("status", status, file=sys.stderr, flush=True)
"""


def assert_same_network(project: Path, other: Path) -> None:
    found = []
    for place in (project, other):
        (folder,) = [path.parent for path in (place / ".gingham" / "refined").glob("*/last.safetensors")]
        found.append(load_file(folder / "weights.safetensors") | load_file(folder / "last.safetensors"))
    for name, tensor in found[0].items():
        np.testing.assert_allclose(found[1][name], tensor, **CLOSE, err_msg=name)


@pytest.fixture(scope="module")
def refined_alone(untouched_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = Path(shutil.copytree(untouched_project, tmp_path_factory.mktemp("refined") / "alone"))
    values = dict(zip((name.lstrip("-") for name in REFINE[1::2]), REFINE[2::2], strict=True))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as `one_torch_thread`, which is not yet there
    Project(project, environment={}).refine(overrides=values)
    torch.set_num_threads(threads)
    return project


def test_commands_of_two_processes(project: Path, refined_alone: Path) -> None:
    there = ("--project", str(project))
    commands = [[*REFINE, "--refinement.epoch", "3", *there], [*REFINE, *there], [*REFINE, "--json", *there]]
    numbered = json.dumps([(free_port(), command) for command in commands])
    shared = environment(WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT="1", OMP_NUM_THREADS="1")
    both = [
        subprocess.Popen(
            [sys.executable, "-c", ONE_AFTER_THE_OTHER, numbered], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            text=True, env=shared | {"RANK": rank, "LOCAL_RANK": rank},
        )
        for rank in "01"
    ]  # fmt: skip
    (out, err), helper = (process.communicate(timeout=200) for process in both)
    assert helper == ("status 0\n" * 3,) * 2  # it says nothing
    wrong, refined, again = re.split(r"status \d\n", out)[:3]
    assert re.findall(r"status (\d)", out) == ["2", "0", "0"], err
    assert wrong == ""
    assert "Did you mean `epochs`?" in err.partition("status")[0]
    assert refined.count("Kept epoch 3 of 3") == 1
    assert "refine" not in json.loads(again)["seconds"]
    assert re.findall(r"^Epoch (\d) of 3", err, re.MULTILINE) == list("123")
    assert_same_network(project, refined_alone)


def test_torchrun_is_told_to_end_and_one_process_goes_on(gingham: Any, project: Path, refined_alone: Path) -> None:
    torchrun = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    process = subprocess.Popen(
        [*torchrun, "-m", "gingham", *REFINE, "--project", str(project)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(OMP_NUM_THREADS="1"),
    )  # fmt: skip
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("Epoch 1 of 3"):
            process.send_signal(signal.SIGTERM)
            break
    _, rest = process.communicate(timeout=60)
    assert process.returncode != 0
    assert rest.count("the same command goes on from there") == 1
    assert "gingham: " not in rest
    resumed = gingham(*REFINE, "--project", project)
    assert re.search(r"Going on in epoch [23] of 3", resumed.err), resumed.err
    assert_same_network(project, refined_alone)
