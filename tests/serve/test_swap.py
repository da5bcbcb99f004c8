"""Another model takes over while requests go on."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gingham.serve.served_model import SECONDS_BETWEEN_LOOKS
from tests.images import makers
from tests.serve.load import Answer, Tally, closed_loop
from tests.serve.process import ServiceProcess, contents, within
from tests.textures import PARAMETERS

PHOTO = makers.jpeg()


@pytest.fixture
def three(model: Path) -> Path:
    """A model of three classes at 96 pixels."""
    return model


@pytest.fixture(scope="module")
def two(untouched_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another one, of two classes at 128 pixels."""
    from gingham import Project

    folder = Path(shutil.copytree(untouched_project, tmp_path_factory.mktemp("two") / "project"))
    shutil.rmtree(folder / "images" / "textures" / "stripes")
    (folder / "gingham.toml").write_text(PARAMETERS.replace("resolution = 96", "resolution = 128"))
    Project(folder, environment={}).run()
    return next(folder.glob("runs/*/model.onnx"))


@pytest.fixture
def served(three: Path, tmp_path: Path) -> Path:
    """The file that is served, and may be replaced."""
    return Path(shutil.copy(three, tmp_path / "model.onnx"))


def replace(served: Path, new: Path) -> None:
    """Put another file in its place, in one step."""
    Path(shutil.copy(new, served.with_suffix(".new"))).replace(served)


def classes_of(service: ServiceProcess) -> int:
    status, body = service.post(PHOTO)
    assert status == 200
    return len(json.loads(body)["predictions"][0]["probabilities"])


def id_of(service: ServiceProcess) -> str:
    return str(json.loads(service.get("/model")[1])["id"])


def test_no_request_fails_and_each_answer_is_of_one_model(
    served: Path, three: Path, two: Path, photos: Path, tmp_path: Path
) -> None:
    files = sorted((photos / "clothing").glob("*/*.jpg"))[:20]
    seen: dict[str, set[int]] = {}

    def check(answer: Answer, _: bytes) -> None:
        if answer.status == 200:
            content = json.loads(answer.body)
            classes = {len(each["probabilities"]) for each in content["predictions"]}
            seen.setdefault(content["model"]["id"], set()).update(classes)

    with ServiceProcess(served, tmp_path) as service:

        async def swap() -> None:
            for place in range(4):
                loads = await asyncio.to_thread(service.metric, "gingham_model_loads_total")
                replace(served, (two, three)[place % 2])
                if place >= 2:
                    os.kill(service.pid, signal.SIGHUP)
                await until(lambda before=loads: service.metric("gingham_model_loads_total") > before)

        async def main() -> Tally:
            load = asyncio.create_task(closed_loop(service.port, contents(service.port, files), 8, 12, check=check))
            await swap()
            return await load

        tally = asyncio.run(main())
        assert set(tally.statuses) == {200}
        assert tally.lost == []
        assert sorted(map(sorted, seen.values())) == [[2], [3]]
        assert {event["model"] for event in service.events("model_loaded")} == set(seen)
        assert "Traceback" not in service.log


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not await asyncio.to_thread(condition):
            await asyncio.sleep(0.1)


def half(model: Path) -> bytes:
    return model.read_bytes()[: model.stat().st_size // 2]


def foreign(_: Path) -> bytes:
    """An ONNX file that is none of Gingham's."""
    import onnx

    tensor = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    graph = onnx.helper.make_graph([onnx.helper.make_node("Identity", ["x"], ["y"])], "g", [tensor], [])
    return bytes(onnx.helper.make_model(graph).SerializeToString())


def no_model(_: Path) -> bytes:
    return b"no model at all"


def empty(_: Path) -> bytes:
    return b""


@pytest.mark.parametrize("content", [half, foreign, no_model, empty])
def test_what_cannot_be_used_changes_nothing(
    served: Path, two: Path, tmp_path: Path, content: Callable[[Path], bytes]
) -> None:
    with ServiceProcess(served, tmp_path) as service:
        before = id_of(service)
        served.with_suffix(".bad").write_bytes(content(two))
        served.with_suffix(".bad").replace(served)
        assert within(20, lambda: bool(service.events("model_refused")))
        assert id_of(service) == before
        assert before in service.events("model_refused")[0]["message"]
        assert 'gingham_model_loads_total{outcome="failed"} 1.0' in service.get("/metrics")[1]
        assert classes_of(service) == 3
        replace(served, two)
        assert within(20, lambda: classes_of(service) == 2)
        assert len(service.events("model_refused")) == 1
        assert "Traceback" not in service.log


def test_a_file_that_goes_and_comes_back(served: Path, two: Path, tmp_path: Path) -> None:
    with ServiceProcess(served, tmp_path) as service:
        aside = served.rename(tmp_path / "aside.onnx")
        os.kill(service.pid, signal.SIGHUP)
        time.sleep(2 * SECONDS_BETWEEN_LOOKS)
        assert classes_of(service) == 3
        assert service.events("model_refused") == []
        aside.rename(served)
        assert classes_of(service) == 3
        served.unlink()
        shutil.copy(two, served)
        assert within(20, lambda: classes_of(service) == 2)


def test_sighup_loads_a_file_that_has_not_changed(served: Path, tmp_path: Path) -> None:
    with ServiceProcess(served, tmp_path) as service:
        time.sleep(2 * SECONDS_BETWEEN_LOOKS)
        assert service.events("model_loaded") == []
        os.kill(service.pid, signal.SIGHUP)
        assert within(20, lambda: len(service.events("model_loaded")) == 1)


def test_a_link_that_points_elsewhere(three: Path, two: Path, tmp_path: Path) -> None:
    """As Kubernetes mounts a ConfigMap or a Secret."""
    link = tmp_path / "model.onnx"
    link.symlink_to(three)
    with ServiceProcess(link, tmp_path) as service:
        (tmp_path / "new").symlink_to(two)
        (tmp_path / "new").replace(link)
        assert within(20, lambda: classes_of(service) == 2)


def test_many_swaps_leave_nothing(served: Path, three: Path, two: Path, tmp_path: Path) -> None:
    with ServiceProcess(served, tmp_path) as service:
        found = []
        for place in range(8):
            replace(served, (two, three)[place % 2])
            os.kill(service.pid, signal.SIGHUP)
            assert within(20, lambda classes=2 + place % 2: classes_of(service) == classes)
            found.append((service.memory(), len(list(Path(f"/proc/{service.pid}/task").iterdir()))))
        assert found[-1][0] < 1.1 * found[3][0]
        assert found[-1][1] <= found[3][1] + 2
