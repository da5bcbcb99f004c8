from __future__ import annotations

import unicodedata

import pytest

from gingham.curate import read_groups_csv, read_splits_csv, read_test_files
from gingham.errors import ConfigError, DataError

PATHS = ["cat/1.jpg", "cat/a, b.jpg", "cat/new\nline.jpg", "cat/é.jpg", "dog/1.jpg", "dog/\udcff.jpg"]
ALL = (
    'path,split\ncat/1.jpg,test\n"cat/a, b.jpg",train\n"cat/new\nline.jpg",val\ncat/é.jpg,validation\n'
    "dog/1.jpg,valid\ndog/\udcff.jpg,test\n"
)
SIDES = dict(zip(PATHS, ["test", "train", "train", "train", "train", "test"], strict=True))


@pytest.fixture
def write(tmp_path):
    def write(content):
        file = tmp_path / "list.csv"
        file.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogateescape"))
        return file

    return write


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(ALL, SIDES, id="all-values,-quoted-names,-undecodable-name"),
        pytest.param(b"\xef\xbb\xbf" + ALL.encode("utf-8", "surrogateescape"), SIDES, id="byte-order-mark"),
        pytest.param("path,split\r\ncat/1.jpg,test\r\n\r\n", {"cat/1.jpg": "test"}, id="CRLF-and-blank-line"),
        pytest.param(" Path ; SPLIT\ncat/1.jpg;test", {"cat/1.jpg": "test"}, id="semicolons,-header-in-capitals"),
        pytest.param("path\tsplit\ncat/1.jpg\ttest", {"cat/1.jpg": "test"}, id="tabs"),
        pytest.param("path,split\ncat/1.jpg, Test \n", {"cat/1.jpg": "test"}, id="value-in-capitals-with-spaces"),
        pytest.param("split,note,path\nVAL,x,cat/1.jpg", {"cat/1.jpg": "train"}, id="other-order,-more-columns"),
        pytest.param("path,split\ncat/1.jpg,test\n".encode("utf-16"), {"cat/1.jpg": "test"}, id="UTF-16"),
        pytest.param("path,split\n.\\cat\\1.jpg,test", {"cat/1.jpg": "test"}, id="backslashes"),
        pytest.param("path,split\n" + unicodedata.normalize("NFD", "cat/é.jpg,test"), {"cat/é.jpg": "test"}, id="NFD"),
        pytest.param("path,split\ncat/1.jpg,test\ncat/1.jpg,test", {"cat/1.jpg": "test"}, id="same-row-twice"),
        pytest.param("path,split\ncat/1.jpg,train\ncat/1.jpg,val", {"cat/1.jpg": "train"}, id="train-and-val"),
        pytest.param("path,split\ncat/bad.jpg,test\ndog/far/x.jpg,test", {}, id="skipped-file-and-folder"),
        pytest.param("path,split\n", {}, id="only-the-header"),
    ],
)
def test_splits_csv(write, text, expected):
    assert read_splits_csv(write(text), PATHS, skipped=["cat/bad.jpg", "dog/far"]) == expected


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        pytest.param(
            "path,split\ncat/1.jpg,train\ndog/1.jpg,tset",
            DataError,
            r"row 3: `tset` is not a split. Allowed are train, val, validation, valid, test. Did you mean `test`\?",
            id="unknown-value",
        ),
        pytest.param(
            "path,split\ncat/1.jpg,train\ncat/1.jpg,test",
            DataError,
            "gives cat/1.jpg two values .* `train` in row 2 and `test` in row 3",
            id="two-sides",
        ),
        pytest.param(
            "path,split\ncat/11.jpg,test",
            DataError,
            r"not in the dataset: cat/11.jpg \(row 2\).* Did you mean `cat/1.jpg`",
            id="missing-file",
        ),
        pytest.param(
            "path,split\n" + "".join(f"x/{i},test\n" for i in range(9)), DataError, "and 4 more", id="many-missing"
        ),
        pytest.param("path,split\ncat/1.jpg", DataError, "row 2, has no value in the column split", id="short-row"),
        pytest.param("path,split\ncat/a, b.jpg,test", DataError, "must stand in quotes", id="comma-not-quoted"),
        pytest.param('path,split\n"cat/1.jpg,test', DataError, "not valid CSV", id="quote-not-closed"),
        pytest.param("file,side\ncat/1.jpg,test", ConfigError, "must begin with the line `path,split`", id="columns"),
        pytest.param("", ConfigError, "must begin with the line", id="empty-file"),
        pytest.param(b"\xff\xd8\xff" + bytes(200_000), ConfigError, "must begin with the line", id="a-photo"),
    ],
)
def test_splits_csv_that_cannot_be_used_is_refused(write, text, error, message):
    with pytest.raises(error, match=message):
        read_splits_csv(write(text), PATHS)


def test_names_that_differ_only_in_normalisation_are_kept_apart(write):
    composed, decomposed = "cat/é.jpg", unicodedata.normalize("NFD", "cat/é.jpg")
    text = f"path,split\n{composed},test\n{decomposed},train\n"
    assert read_splits_csv(write(text), [composed, decomposed]) == {composed: "test", decomposed: "train"}


@pytest.mark.parametrize("read", [read_splits_csv, read_groups_csv, read_test_files])
def test_list_that_is_not_there_is_refused(tmp_path, read):
    with pytest.raises(ConfigError, match=r"none\.csv cannot be read: No such file"):
        read(tmp_path / "none.csv", PATHS)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("cat/1.jpg\n\ndog/\udcff.jpg\n", id="lines"),
        pytest.param("cat/1.jpg\r\ndog/\udcff.jpg\r\n", id="CRLF"),
        pytest.param("name,path\na,cat/1.jpg\nb,dog/\udcff.jpg\n", id="table"),
        pytest.param("path\ncat/1.jpg\ndog/\udcff.jpg\ncat/bad.jpg", id="table-that-names-a-skipped-file"),
    ],
)
def test_test_files(write, text):
    sides = read_test_files(write(text), PATHS, skipped=["cat/bad.jpg"])
    assert list(sides) == PATHS
    assert [path for path, side in sides.items() if side == "test"] == ["cat/1.jpg", "dog/\udcff.jpg"]
    assert set(sides.values()) == {"train", "test"}


def test_line_may_hold_a_comma_and_odd_separators(write):
    paths = ["cat/a, b.jpg", "cat/u\u2028v\x0bw.jpg", "cat/c.jpg"]
    sides = read_test_files(write("\n".join(paths[:2])), paths)
    assert list(sides.values()) == ["test", "test", "train"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("cat/1.jpg\ncat/2.jpg", r"cat/2.jpg \(row 2\)", id="missing-file"),
        pytest.param("\n", "names no image", id="empty"),
        pytest.param("cat/bad.jpg", "names no image", id="only-skipped-files"),
    ],
)
def test_test_files_that_cannot_be_used_are_refused(write, text, message):
    with pytest.raises(DataError, match=message):
        read_test_files(write(text), PATHS, skipped=["cat/bad.jpg"])


def test_groups_csv(write):
    file = write('path,group\ncat/1.jpg,Tom\n"cat/a, b.jpg", Tom \ndog/1.jpg,\ncat/bad.jpg,x\n')
    assert read_groups_csv(file, PATHS, skipped=["cat/bad.jpg"]) == ["Tom", "Tom", None, None, None, None]


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        pytest.param(
            "path,group\ncat/1.jpg,a\ncat/1.jpg,b", DataError, "two values in the column group", id="two-groups"
        ),
        pytest.param(
            "path,group\ncat/1.jpg,val\ncat/1.jpg,train", DataError, "two values", id="groups-that-sound-like-sides"
        ),
        pytest.param("path,group\ncat/2.jpg,a", DataError, "not in the dataset", id="missing-file"),
        pytest.param("path,split\ncat/1.jpg,a", ConfigError, "`path,group`", id="columns"),
    ],
)
def test_groups_csv_that_cannot_be_used_is_refused(write, text, error, message):
    with pytest.raises(error, match=message):
        read_groups_csv(write(text), PATHS)


@pytest.mark.photos
@pytest.mark.parametrize(("name", "test"), [("clothing", 372), ("grocery", 546)])
def test_official_splits(photos, name, test):
    root = photos / name
    paths = [path.relative_to(root).as_posix() for path in root.glob("*/*.jpg")]
    sides = read_splits_csv(root / "splits.csv", paths)
    assert len(sides) == len(paths)
    assert list(sides.values()).count("test") == test
