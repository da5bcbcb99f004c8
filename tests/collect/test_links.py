"""Lists of links in all forms that people have them in."""

from __future__ import annotations

import sys
import tracemalloc
from pathlib import Path

import pytest

from gingham.collect.links import read_links
from gingham.collect.records import Link
from gingham.errors import DataError, UnavailableError, UsageError

URL = "http://example.org/a.jpg"
OTHER = "http://example.org/b.jpg"
TWO = [Link("cat", URL), Link("dog", OTHER)]


def written(folder: Path, content: str | bytes, name: str = "list.tsv") -> Path:
    file = folder / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return file


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(f"cat\t{URL}\ndog\t{OTHER}\n", id="TSV without a header"),
        pytest.param(f"{URL}\tcat\n{OTHER}\tdog", id="address first, no end of line"),
        pytest.param(f"label\turl\ncat\t{URL}\ndog\t{OTHER}\n", id="TSV with a header"),
        pytest.param(f"garment\tURL\ncat\t{URL}\ndog\t{OTHER}\n", id="a header of which one name is known"),
        pytest.param(f"cat,{URL}\ndog,{OTHER}\n", id="CSV without a header"),
        pytest.param(f"cat;{URL}\ndog;{OTHER}\n", id="semicolons without a header"),
        pytest.param(f"label,url\ncat,{URL}\ndog,{OTHER}\n", id="CSV with a header"),
        pytest.param(f"URL;Class\n{URL};cat\n{OTHER};dog\n", id="semicolons, capitals, class, other order"),
        pytest.param(f"id,Category,Image_URL,x\n1,cat,{URL},\n2,dog,{OTHER},9\n", id="category, image_url"),
        pytest.param(f'link,title,label\n{URL},"a\nb",cat\n{OTHER},"19"" rim, new",dog\n', id="quoted lines"),
        pytest.param(f"\ufefflabel,url\r\ncat,{URL}\r\n\r\ndog,{OTHER}\r\n\r\n", id="mark, CRLF, blank lines"),
        pytest.param(f"\n\n cat \t {URL} \n,\n\t\ndog\t{OTHER}\t\t\n".replace(",\n", ""), id="spaces, empty cells"),
        pytest.param(f'"cat"\t"{URL}"\n"dog"\t{OTHER}\n', id="quoted TSV"),
        pytest.param(f"label,url\ncat,{URL}\ndog,{OTHER}\n".encode("utf-16"), id="UTF-16"),
    ],
)
def test_forms(content: str | bytes, tmp_path: Path) -> None:
    assert list(read_links(written(tmp_path, content))) == TWO


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param(f"cat\t{URL}\ncat\n", Link("cat", ""), id="no address"),
        pytest.param(f"cat\t{URL}\ncat\t\n", Link("cat", ""), id="an empty address"),
        pytest.param(f"cat\t{URL}\n\t{OTHER}\n", Link("", OTHER), id="no label"),
        pytest.param(f"cat\t{URL}\ncat\tnowhere\n", Link("cat", "nowhere"), id="no address but a word"),
        pytest.param(f"cat,{URL}\ncat,http://x.org/a,b\n", Link("cat", "http://x.org/a,b"), id="a comma in an address"),
        pytest.param(f"{URL},cat\nhttp://x.org/a,b,cat\n", Link("cat", "http://x.org/a,b"), id="address first"),
        pytest.param(f"label,url,n\ncat,{URL},1\ncat,http://x.org/a,b,2\n", Link("", "cat,http://x.org/a,b,2"), id="with a header it is broken"),  # noqa: E501
        pytest.param(f"label,url,n\ncat,{URL},1\n,,3\n", Link("", ""), id="only other cells"),
        pytest.param(f'cat\t{URL}\n19" rim\t{OTHER}\n', Link('19" rim', OTHER), id="a quote in TSV"),
        pytest.param(f'cat\t{URL}\n"rim\t{OTHER}\n', Link('"rim', OTHER), id="a quote at its beginning in TSV"),
        pytest.param(f"cat\t{URL}\nkürbis\t{OTHER}\n", Link("kürbis", OTHER), id="umlaut"),
        pytest.param(f"cat\t{URL}\n".encode() + b"k\xfcrbis\t" + OTHER.encode(), Link("k\\xfcrbis", OTHER), id="Latin"),
    ],
)  # fmt: skip
def test_rows_that_are_odd_or_broken_are_links_too(content: str | bytes, expected: Link, tmp_path: Path) -> None:
    assert list(read_links(written(tmp_path, content))) == [Link("cat", URL), expected]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param("", "it is empty", id="empty"),
        pytest.param("\n\n", "it is empty", id="blank"),
        pytest.param(f"{URL}\n{OTHER}\n", "named `label` and `url`; it begins with `http", id="one column"),
        pytest.param(f"title,url\ncat,{URL},x\n", "begins with `title,url`", id="no label"),
        pytest.param("cat\tdog\n", "striped,https://example.org", id="no address"),
        pytest.param(f"label,url\n\"cat,{URL}\ndog,{OTHER}\n", "quote that is never closed", id="an open quote"),
        pytest.param("label,url\n\"cat," + "x" * 200_000, "quote in it never closed", id="an open quote, long"),
        pytest.param(b"PAR1nonsense", "is damaged", id="damaged Parquet"),
        pytest.param(bytes(range(256)) * 4, "must have a column", id="binary"),
    ],
)  # fmt: skip
def test_files_that_are_no_list(content: str | bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        list(read_links(written(tmp_path, content)))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        list(read_links(tmp_path / "none.tsv"))


def test_parquet(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pyarrow.table(
        {
            "x": [1, 2, 3, 4],
            "URL": [URL, f" {OTHER} ", None, URL],
            "Class": pyarrow.array(["cat", "dog", "cat", None]).dictionary_encode(),
        }
    )
    parquet.write_table(table, tmp_path / "list.parquet")
    assert list(read_links(tmp_path / "list.parquet")) == [*TWO, Link("cat", ""), Link("", URL)]
    parquet.write_table(table.drop_columns(["Class"]), tmp_path / "other.parquet")
    with pytest.raises(DataError, match="begins with `x, URL`"):
        list(read_links(tmp_path / "other.parquet"))


def test_parquet_without_pyarrow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UnavailableError, match=r'pip install "gingham\[parquet\]"'):
        list(read_links(written(tmp_path, b"PAR1...", "list.parquet")))


def test_memory_is_bounded(tmp_path: Path) -> None:
    file = written(tmp_path, "".join(f"cat\thttp://example.org/{n}.jpg\n" for n in range(100_000)))
    tracemalloc.start()
    assert sum(1 for _ in read_links(file)) == 100_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 * 2**20
