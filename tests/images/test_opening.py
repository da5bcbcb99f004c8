"""``open_bytes``: what it reads, what it refuses, and that nothing makes it wait."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from gingham.errors import ImageError
from gingham.images import open_bytes, opening
from gingham.records import SkipReason


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "root"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"content")
    (tmp_path / "secret").write_bytes(b"secret")
    return folder


def link(at: Path, to: Path | str) -> Path:
    at.symlink_to(to)
    return at


def fifo(at: Path) -> Path:
    os.mkfifo(at)
    return at


def empty(at: Path) -> Path:
    at.touch()
    return at


def unix_socket(at: Path) -> Path:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(at))
    return at


REFUSED = [
    pytest.param(lambda r: empty(r / "e.jpg"), SkipReason.EMPTY, id="empty"),
    pytest.param(lambda r: r / "gone.jpg", SkipReason.VANISHED, id="gone"),
    pytest.param(lambda r: r / "a.jpg" / "b.jpg", SkipReason.VANISHED, id="below-a-file"),
    pytest.param(lambda r: r, SkipReason.NOT_A_FILE, id="folder"),
    pytest.param(lambda r: fifo(r / "f.jpg"), SkipReason.NOT_A_FILE, id="fifo"),
    pytest.param(lambda r: link(r / "l.jpg", fifo(r / "f")), SkipReason.NOT_A_FILE, id="link-to-fifo"),
    pytest.param(lambda r: unix_socket(r / "s.jpg"), SkipReason.NOT_A_FILE, id="socket"),
    pytest.param(lambda r: link(r / "d.jpg", "nowhere"), SkipReason.BROKEN_LINK, id="dangling"),
    pytest.param(lambda r: link(r / "l.jpg", "l.jpg"), SkipReason.BROKEN_LINK, id="loop"),
    pytest.param(lambda r: link(r / "o.jpg", "../secret"), SkipReason.OUTSIDE_ROOT, id="link-outside"),
    pytest.param(lambda r: link(r / "o", "..") / "secret", SkipReason.OUTSIDE_ROOT, id="folder-link-outside"),
    pytest.param(lambda r: link(r / "o.jpg", "/dev/zero"), SkipReason.OUTSIDE_ROOT, id="link-to-device"),
    pytest.param(lambda r: r / ".." / "secret", SkipReason.OUTSIDE_ROOT, id="dots"),
    pytest.param(lambda r: r / ("x" * 300), SkipReason.UNREADABLE, id="name-too-long"),
    pytest.param(lambda r: r / "nul\0.jpg", SkipReason.UNREADABLE, id="nul"),
]


@pytest.mark.timeout(10)
@pytest.mark.parametrize(("make", "reason"), REFUSED)
def test_refused(root: Path, make: Callable[[Path], Path], reason: SkipReason) -> None:
    with pytest.raises(ImageError) as refusal:
        open_bytes(make(root), root)
    assert refusal.value.reason == reason
    assert refusal.value.detail


@pytest.mark.timeout(10)
def test_a_device_is_refused_without_a_root_as_well() -> None:
    with pytest.raises(ImageError, match="not_a_file"):
        open_bytes("/dev/zero")


def test_links_inside_the_root_are_followed(root: Path) -> None:
    (root / "deep").mkdir()
    assert open_bytes(link(root / "deep" / "l.jpg", "../a.jpg"), root) == b"content"
    assert open_bytes(link(root / "again", "deep") / "l.jpg", root) == b"content"


def test_the_root_itself_may_be_a_link(root: Path) -> None:
    other = link(root.parent / "other", "root")
    assert open_bytes(other / "a.jpg", other) == b"content"


def test_a_sibling_with_the_same_beginning_is_outside(root: Path) -> None:
    sibling = root.parent / "root-2"
    sibling.mkdir()
    (sibling / "b.jpg").write_bytes(b"other")
    with pytest.raises(ImageError, match="outside_root"):
        open_bytes(sibling / "b.jpg", root)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("été.jpg", id="composed"),
        pytest.param("été.jpg", id="decomposed"),
        pytest.param("写真 📷.jpg", id="any-script"),
        pytest.param("line\nbreak.jpg", id="newline"),
        pytest.param("a" * 251 + ".jpg", id="255-bytes"),
        pytest.param(os.fsdecode(b"\xff\xfe.jpg"), id="not-utf-8"),
        pytest.param("<img src=x onerror=alert(1)>.jpg", id="markup"),
    ],
)
def test_names(root: Path, name: str) -> None:
    (root / name).write_bytes(name.encode("utf-8", "surrogateescape"))
    assert open_bytes(f"{root}/{name}", root) == name.encode("utf-8", "surrogateescape")


def test_the_cap(root: Path) -> None:
    assert open_bytes(root / "a.jpg", max_bytes=7) == b"content"
    with pytest.raises(ImageError, match="too_large"):
        open_bytes(root / "a.jpg", max_bytes=6)


def test_the_cap_holds_for_a_file_that_grows_or_hides_its_size(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fstat = os.fstat

    def small(descriptor: int) -> os.stat_result:
        values = list(fstat(descriptor))
        values[6] = 0
        return os.stat_result(values)

    monkeypatch.setattr(opening.os, "fstat", small)
    assert open_bytes(root / "a.jpg") == b"content"
    with pytest.raises(ImageError, match="too_large"):
        open_bytes(root / "a.jpg", max_bytes=6)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        pytest.param(PermissionError(13, "denied"), SkipReason.UNREADABLE, id="permission"),
        pytest.param(FileNotFoundError(2, "gone"), SkipReason.VANISHED, id="vanished-between"),
        pytest.param(OSError(5, "i/o"), SkipReason.UNREADABLE, id="disk-error"),
    ],
)
def test_what_the_system_answers(
    root: Path, monkeypatch: pytest.MonkeyPatch, error: OSError, reason: SkipReason
) -> None:
    """Answered by the test, since permission bits do not bind root and disks seldom fail."""

    def fail(*_: object) -> int:
        raise error

    monkeypatch.setattr(opening.os, "open", fail)
    with pytest.raises(ImageError) as refusal:
        open_bytes(root / "a.jpg")
    assert refusal.value.reason == reason


def test_a_file_swapped_for_a_pipe_does_not_block(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The check by name and the opening are two moments: what was opened is checked again."""
    opened = os.open

    def swap(path: str | Path, flags: int, **options: int) -> int:
        if Path(path).name == "a.jpg":
            (root / "a.jpg").unlink()
            os.mkfifo(root / "a.jpg")
        return opened(path, flags, **options)

    monkeypatch.setattr(opening.os, "open", swap)
    with pytest.raises(ImageError, match="not_a_file"):
        open_bytes(root / "a.jpg", root)


@pytest.mark.skipif(not opening._CAN_DESCEND, reason="this system opens by whole paths only")
@pytest.mark.parametrize("swapped", ["class", "class/deep", "class/deep/secret"])
def test_a_link_put_in_its_way_does_not_lead_outside(root: Path, monkeypatch: pytest.MonkeyPatch, swapped: str) -> None:
    """Between the check of the path and the opening, a part of it becomes a link to its like outside the root."""
    for folder in (root, root.parent):
        (folder / "class" / "deep").mkdir(parents=True)
        (folder / "class" / "deep" / "secret").write_bytes(folder.name.encode())
    look = opening._require_regular

    def swap(mode: int) -> None:
        look(mode)
        if not (root / swapped).is_symlink():
            (root / swapped).rename(root / "before")
            (root / swapped).symlink_to(root.parent / swapped)

    assert open_bytes(root / "class" / "deep" / "secret", root) == b"root"
    monkeypatch.setattr(opening, "_require_regular", swap)
    with pytest.raises(ImageError, match="vanished"):
        open_bytes(root / "class" / "deep" / "secret", root)


def test_no_descriptor_is_left_open(root: Path) -> None:
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").is_dir() else 0  # noqa: PTH208
    (root / "class").mkdir()
    for path in (root / "a.jpg", root, fifo(root / "f"), root / "class" / "gone.jpg"):
        for _ in range(5):
            try:
                open_bytes(path, root, max_bytes=3)
            except ImageError:
                continue
    after = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").is_dir() else 0  # noqa: PTH208
    assert after == before
