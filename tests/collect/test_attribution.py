from __future__ import annotations

import csv
import io
import tracemalloc
from dataclasses import replace

import pytest
from markdown_it import MarkdownIt

from gingham.collect import attribution
from gingham.collect.attribution import COLUMNS, RIGHTS_NOTICE, Credit, write_credits
from gingham.collect.records import Provenance

FOX = Provenance(
    provider="openverse",
    query="red fox",
    page="https://example.org/photos/1",
    title="Red fox",
    creator="Ann",
    creator_url="https://example.org/people/ann",
    licence="by-sa",
    licence_version="4.0",
    licence_url="https://creativecommons.org/licenses/by-sa/4.0/",
    attribution='"Red fox" by Ann is licensed under CC BY-SA 4.0.',
)
TIME = "2026-11-28T12:00:00+00:00"
CREDIT = Credit("fox/1.jpg", "fox", "https://example.org/files/1.jpg", FOX, TIME)
BY_SA = "https://creativecommons.org/licenses/by-sa/4.0/"
HOSTILE = [
    pytest.param("<script>alert(1)</script><b>x</b>", id="html"),
    pytest.param("&lt;b&gt; &copy; &#42;", id="entities"),
    pytest.param("[x](https://evil.example) ![x](https://evil.example)", id="links"),
    pytest.param("<https://evil.example> <a@evil.example>", id="autolinks"),
    pytest.param("*a* **b** _c_ __d__ ~~e~~ `f` $g$", id="emphasis"),
    pytest.param("a | b \\| c", id="cells"),
    pytest.param("a\\", id="backslash-at-the-end"),
    pytest.param("``", id="backticks"),
    pytest.param("[1]: https://evil.example", id="reference"),
    pytest.param("a\n\n# b\r\n- c\u2028d", id="lines"),
    pytest.param("https://evil.example www.evil.example WWW.evil.example a@evil.example", id="bare-addresses"),
    pytest.param("|---|", id="table"),
]


def rows_of(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def inline_tokens(text: str) -> list:
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    return [child for token in tokens for child in token.children or []]


def links(text: str) -> list[str]:
    return [token.attrs["href"] for token in inline_tokens(text) if token.type == "link_open"]


def cells(text: str, row: int = 1) -> list[str]:
    """Return what a reader sees in a row of the first table."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    shown = ["".join(c.content for c in t.children) for t in tokens if t.type == "inline" and t.level == 4]
    return [cell.replace("\u2060", "") for cell in shown[9 * row : 9 * row + 9]]


def test_csv():
    text = "".join(write_credits([CREDIT], "csv"))
    assert text.endswith("\r\n")
    header, row = rows_of(text)
    assert tuple(header) == COLUMNS
    assert row == [
        "fox/1.jpg", "fox", "Red fox", "Ann", "https://example.org/people/ann", "by-sa", "4.0", BY_SA,
        "https://example.org/photos/1", "https://example.org/files/1.jpg", "openverse", "red fox", FOX.attribution,
        TIME,
    ]  # fmt: skip


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "'"])
def test_csv_holds_no_formula(start):
    formula = f"{start}cmd|' /C calc'!A0"
    credit = Credit(
        formula, formula, formula, replace(FOX, **dict.fromkeys(FOX.__dataclass_fields__, formula)), formula
    )
    _, row = rows_of("".join(write_credits([credit], "csv")))
    assert row == [f"'{formula}"] * len(COLUMNS)


def test_csv_keeps_commas_quotes_and_bytes_that_are_not_utf_8():
    credit = Credit("fox/\udcff.jpg", "fox", "", replace(FOX, title='a, "b"'), "")
    _, row = rows_of("".join(write_credits([credit], "csv")))
    assert (row[0], row[2]) == (r"fox/\xff.jpg", 'a, "b"')


def test_markdown():
    text = "".join(write_credits([CREDIT], "md"))
    assert text.startswith("# Credits\n")
    assert "Licence not known" not in text
    assert cells(text) == [
        "fox/1.jpg", "Red fox", "Ann", "CC BY-SA 4.0", "page", "openverse", "red fox", FOX.attribution, TIME,
    ]  # fmt: skip
    assert links(text) == [BY_SA, "https://example.org/photos/1"]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_markdown_shows_what_strangers_wrote_as_it_is(hostile):
    provenance = replace(FOX, title=hostile, creator=hostile, query=hostile, attribution=hostile, provider=hostile)
    text = "".join(write_credits([replace(CREDIT, provenance=provenance)], "md"))
    allowed = {"text", "text_special", "link_open", "link_close", "softbreak"}
    assert {token.type for token in inline_tokens(text)} <= allowed
    assert links(text) == [BY_SA, "https://example.org/photos/1"]
    shown = " ".join(hostile.split())
    assert cells(text) == [
        "fox/1.jpg", shown, shown, "CC BY-SA 4.0", "page", shown, shown, shown, TIME,
    ]  # fmt: skip
    for address in (
        "<script",
        "<b",
        "https://evil",
        "www.evil",
        "WWW.evil",
        "a@evil",
    ):  # some of which GitHub makes links of
        assert address not in text


@pytest.mark.parametrize(
    ("page", "href"),
    [
        pytest.param("https://example.org/a_(b)|c", "https://example.org/a_%28b%29%7Cc", id="marks"),
        pytest.param("https://example.org/<b>", "https://example.org/%3Cb%3E", id="angles"),
        pytest.param("https://example.org/?a=1&copy;=2", "https://example.org/?a=1&copy;=2", id="entity"),
        pytest.param("https://example.org/`x`*y*[z]", "https://example.org/%60x%60*y*%5Bz%5D", id="markup"),
    ],
)
def test_markdown_links_to_the_page_whatever_it_holds(page, href):
    text = "".join(write_credits([replace(CREDIT, provenance=replace(FOX, page=page))], "md"))
    assert links(text) == [BY_SA, href]
    assert len(cells(text)) == 9


@pytest.mark.parametrize("page", ["javascript:alert(1)", "https://u:p@evil.example/", "https://x\\y/", ""])
def test_markdown_links_to_no_page_that_is_none(page):
    text = "".join(write_credits([replace(CREDIT, provenance=replace(FOX, page=page))], "md"))
    assert links(text) == [BY_SA]
    assert cells(text)[4] == CREDIT.url


def test_markdown_takes_the_licences_address_from_nobody():
    evil = replace(FOX, licence_url="https://evil.example/", licence_version="4.0/../../x")
    text = "".join(write_credits([replace(CREDIT, provenance=evil)], "md"))
    assert links(text) == ["https://example.org/photos/1"]
    assert "evil" not in text


def test_images_of_unknown_licence_stand_apart():
    rows = [
        Credit("a/1.jpg", "a", "https://example.org/1.jpg", None, TIME),
        Credit("a/2.jpg", "a", "https://example.org/2.jpg", FOX, TIME),
        Credit("a/3.jpg", "a", "https://example.org/3.jpg", replace(FOX, licence="", licence_version=""), TIME),
        Credit("a/4.jpg", "a", "https://example.org/4.jpg", replace(FOX, licence="GFDL", licence_version=""), TIME),
        Credit("a/5.jpg", "a", "https://example.org/5.jpg", replace(FOX, licence="pdm", licence_version=""), TIME),
    ]
    known, heading, unknown = "".join(write_credits(iter(rows), "md")).partition("\n## Licence not known\n")
    assert heading
    assert [n for n in range(1, 6) if f"a/{n}.jpg" in known] == [2, 5]
    assert [n for n in range(1, 6) if f"a/{n}.jpg" in unknown] == [1, 3, 4]
    assert "| GFDL |" in unknown
    assert "| public domain |" in known
    assert [row[0] for row in rows_of("".join(write_credits(rows, "csv")))[1:]] == [row.path for row in rows]


def test_only_images_of_unknown_licence():
    text = "".join(write_credits([replace(CREDIT, provenance=None)], "md"))
    assert text.count("| file |") == 1
    assert cells(text) == ["fox/1.jpg", "", "", "", CREDIT.url, "", "", "", TIME]


def test_no_images():
    assert "".join(write_credits([], "md")).endswith("There are no images.\n")
    assert rows_of("".join(write_credits([], "csv"))) == [list(COLUMNS)]


@pytest.mark.parametrize("format", ["md", "csv"])
def test_rows_out_of_order_are_refused(format):  # noqa: A002
    rows = [replace(CREDIT, path="b"), replace(CREDIT, path="a")]
    with pytest.raises(ValueError, match="sorted by path; 'a' comes after 'b'"):
        list(write_credits(rows, format))


@pytest.mark.parametrize("format", ["md", "csv"])
def test_memory_does_not_grow(monkeypatch, format):  # noqa: A002
    monkeypatch.setattr(attribution, "_IN_MEMORY", 10_000)
    unknown = replace(FOX, licence="")
    rows = (replace(CREDIT, path=f"fox/{n:06}.jpg", provenance=unknown) for n in range(3000))
    tracemalloc.start()
    try:
        size = sum(len(piece) for piece in write_credits(rows, format))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert size > 500_000
    assert peak < 250_000


def test_file_is_written_as_it_is(tmp_path):
    file = tmp_path / "credits.csv"
    with file.open("w", encoding="utf-8", newline="") as stream:
        stream.writelines(write_credits([replace(CREDIT, provenance=replace(FOX, title="写真"))], "csv"))
    assert rows_of(file.read_bytes().decode())[1][2] == "写真"


def test_notice_names_what_to_type():
    assert "--licence cc0,by" in RIGHTS_NOTICE
    assert "gingham collect attribution" in RIGHTS_NOTICE
    assert len(RIGHTS_NOTICE.splitlines()) <= 4
    assert max(map(len, RIGHTS_NOTICE.splitlines())) <= 110
