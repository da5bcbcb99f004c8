"""predictions.csv: what goes in comes out, and no cell is a formula."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gingham.errors import UsageError
from gingham.evaluate import predictions
from gingham.evaluate.predictions import PredictionTable, read_predictions, write_predictions

NAMES = [
    pytest.param("=cmd()|' /C calc'!A0", id="formula"),
    pytest.param("+1", id="plus"),
    pytest.param("-1", id="minus"),
    pytest.param("@SUM(1)", id="at"),
    pytest.param("\ttab", id="tab"),
    pytest.param("\rreturn", id="carriage return"),
    pytest.param("'quoted", id="apostrophe"),
    pytest.param("'=both", id="apostrophe and formula"),
    pytest.param("a\nb.jpg", id="newline"),
    pytest.param('comma, "quote".jpg', id="csv syntax"),
    pytest.param("\udcff\udc80.jpg", id="not UTF-8"),
    pytest.param("中文/é.jpg", id="scripts"),
    pytest.param("x" * 255, id="255 bytes"),
]


def table(path: str, label: str = "cat", classes: tuple[str, ...] = ("cat", "dog")) -> PredictionTable:
    return PredictionTable(
        paths=(path, "plain.jpg"),
        contents=("aa", "bb"),
        splits=("test", "train"),
        labels=(label, "dog"),
        predicted=("dog", "dog"),
        classes=classes,
        confidence=np.array([0.75, 0.5]),
        probabilities=np.array([[0.25, 0.75], [0.5, 0.5]]),
    )


def written(rows: PredictionTable) -> str:
    stream = io.StringIO(newline="")
    write_predictions(rows, stream)
    return stream.getvalue()


def same(a: PredictionTable, b: PredictionTable) -> bool:
    names = ("paths", "contents", "splits", "labels", "predicted", "classes")
    return all(getattr(a, n) == getattr(b, n) for n in names) and np.array_equal(a.confidence, b.confidence)


@pytest.mark.parametrize("name", NAMES)
def test_name_survives_a_file_and_is_no_formula(tmp_path: Path, name: str) -> None:
    file = tmp_path / "predictions.csv"
    with file.open("w", encoding="utf-8", newline="") as stream:
        write_predictions(table(name), stream)
    with file.open(encoding="utf-8", newline="") as stream:
        cells = [cell for row in csv.reader(stream) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    with file.open(encoding="utf-8", newline="") as stream:
        back = read_predictions(stream)
    assert same(back, table(name))
    assert np.array_equal(back.probabilities, table(name).probabilities)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1))
def test_any_text_survives(name: str) -> None:
    rows = table(name, label=name, classes=(name, "dog"))
    assert same(read_predictions(io.StringIO(written(rows), newline="")), rows)


def test_class_named_like_a_column_does_not_clash() -> None:
    rows = table("a.jpg", label="path", classes=("path", "split"))
    assert read_predictions(io.StringIO(written(rows), newline="")).classes == ("path", "split")


def test_huge_table_leaves_the_class_columns_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictions, "MOST_CELLS", 3)
    text = written(table("a.jpg"))
    assert "p(cat)" not in text
    back = read_predictions(io.StringIO(text, newline=""))
    assert back.probabilities is None
    assert back.classes == ("cat", "dog")


def test_rows_of_a_split() -> None:
    assert table("a.jpg").of_split("train").paths == ("plain.jpg",)


HEADER = ",".join(predictions.COLUMNS)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        pytest.param("", "must begin with path,split", id="empty"),
        pytest.param("a,b\n1,2\n", "must begin with path,split", id="another file"),
        pytest.param(f"{HEADER}\na.jpg,test\n", "line 2 has 2 cells, the first has 7", id="torn"),
        pytest.param(f"{HEADER}\na,test,c,c,yes,often,9f\n", "'often' is no probability", id="word"),
    ],
)
def test_refuses(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_predictions(io.StringIO(text, newline=""))
    assert said in str(caught.value)


def test_refuses_columns_of_different_length() -> None:
    with pytest.raises(UsageError, match="of one length"):
        PredictionTable(("a",), (), ("test",), ("c",), ("c",), ("c",), np.ones(1))
