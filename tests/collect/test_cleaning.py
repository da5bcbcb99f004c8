from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gingham.collect.cleaning import MOST_CHARACTERS, first_link, one_line, plain_text, web_address


@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param("Red fox", "Red fox", id="plain"),
        pytest.param("  a\r\n\t b\u2028c\u00a0d ", "a b c d", id="one-line"),
        pytest.param('<a href="x" title="a > b">Ann</a> <b>B</b>', "Ann B", id="tags"),
        pytest.param("Tom &amp; Jerry &lt;3 &#x41;&nbsp;", "Tom & Jerry <3 A", id="entities"),
        pytest.param("&lt;script&gt;x&lt;/script&gt;", "<script>x</script>", id="entities-are-decoded-once"),
        pytest.param("a<br>b<p>c</p><li>d", "a b c d", id="lines"),
        pytest.param("a<script>alert('</b>')</script><style>b{}</style>c", "ac", id="script-and-style"),
        pytest.param("a<!-- b -->c<!DOCTYPE html>d<?php e ?>f", "acdf", id="comments"),
        pytest.param("1 < 2 & 3 > 2", "1 < 2 & 3 > 2", id="no-markup"),
        pytest.param("I <3 you", "I <3 you", id="heart"),
        pytest.param("a<![foo[x", "a", id="malformed-declaration"),
        pytest.param("a\x00b\x1b[31mc\x7f\x9b", "a b [31mc", id="controls"),
        pytest.param("\u202egpj.exe\u2066\u200e\ufeff\u00ad", "gpj.exe", id="turned-around-and-invisible"),
        pytest.param("a\U000e0041b", "ab", id="tag-characters"),
        pytest.param("👩\u200d🔬 می\u200cخواهم", "👩\u200d🔬 می\u200cخواهم", id="joiners-stay"),
        pytest.param("a\ud800\udcffb", "ab", id="surrogates"),
        pytest.param("é 写真 ß", "é 写真 ß", id="any-script"),
        pytest.param("", "", id="empty"),
        pytest.param(None, "", id="null"),
        pytest.param(7, "", id="number"),
        pytest.param(["a"], "", id="list"),
        pytest.param({"a": "b"}, "", id="object"),
    ],
)
def test_plain_text(value, text):
    assert plain_text(value) == text


def test_plain_text_is_cut():
    assert plain_text("x" * MOST_CHARACTERS) == "x" * MOST_CHARACTERS
    assert plain_text("x" * (MOST_CHARACTERS + 1)) == "x" * (MOST_CHARACTERS - 1) + "…"
    assert plain_text("ab cd", 4) == "ab…"


@pytest.mark.parametrize("piece", ["<", "<!--", "<![", "<a ", "&#", "</", "<a b='", "<!x "])
def test_plain_text_takes_no_time(piece):
    start = time.process_time()
    plain_text(piece * 1_000_000)
    assert time.process_time() - start < 0.5


@given(
    st.text()
    | st.lists(st.sampled_from(["<", "!", "[", "-", ">", "a", "&", "#", ";", "'", "]", "?", "/"])).map("".join)
)
def test_plain_text_is_one_encodable_line(value):
    text = plain_text(value)
    assert text.splitlines() in ([], [text])
    assert len(text) <= MOST_CHARACTERS
    text.encode()
    assert one_line(text) == text


@pytest.mark.parametrize(
    ("value", "link"),
    [
        pytest.param('<a href="http://a.example">x</a><a href="http://b.example">', "http://a.example", id="first"),
        pytest.param('<a href="javascript:x()">x</a><a href="http://b.example">', "http://b.example", id="usable"),
        pytest.param('<a href="//example.org/?a=1&amp;b=2">x', "https://example.org/?a=1&b=2", id="no-scheme"),
        pytest.param('<a href="/wiki/User:Ann">Ann</a>', "", id="relative"),
        pytest.param("<a>Ann</a>", "", id="no-address"),
        pytest.param("Ann", "", id="text"),
        pytest.param(None, "", id="null"),
    ],
)  # fmt: skip
def test_first_link(value, link):
    assert first_link(value) == link


@pytest.mark.parametrize(
    ("value", "address"),
    [
        pytest.param("https://example.org/a%20b.jpg?x=1#y", "https://example.org/a%20b.jpg?x=1#y", id="https"),
        pytest.param("HTTP://EXAMPLE.org:8080", "HTTP://EXAMPLE.org:8080", id="http"),
        pytest.param(" https://example.org/ ", "https://example.org/", id="spaces-around"),
        pytest.param("//example.org/x", "https://example.org/x", id="no-scheme"),
        pytest.param("https://[::1]:80/", "https://[::1]:80/", id="ipv6"),
        pytest.param("https://www.flickr.com/photos/1@N00/2", "https://www.flickr.com/photos/1@N00/2", id="at-in-path"),
        pytest.param("https://bücher.example/ä", "https://bücher.example/ä", id="any-script"),
        pytest.param("https://user@example.org/", "", id="user"),
        pytest.param("https://user:password@example.org/", "", id="password"),
        pytest.param("https://@example.org/", "", id="empty-user"),
        pytest.param("https://example.org\\.evil.example/", "", id="backslash"),
        pytest.param("https://example.org/a b", "", id="space"),
        pytest.param("https://example.org/\u202egpj", "", id="turned-around"),
        pytest.param("https://example.org/\n", "", id="newline"),
        pytest.param("https://example.org/\x00", "", id="nul"),
        pytest.param("https://example.org/\ud800", "", id="surrogate"),
        pytest.param("javascript:alert(1)", "", id="javascript"),
        pytest.param("data:image/png;base64,x", "", id="data"),
        pytest.param("file:///etc/passwd", "", id="file"),
        pytest.param("ftp://example.org/", "", id="ftp"),
        pytest.param("https:///x", "", id="no-host"),
        pytest.param("https:x", "", id="no-slashes"),
        pytest.param("example.org", "", id="bare"),
        pytest.param("https://example.org:99999/", "", id="port-too-large"),
        pytest.param("https://example.org:0/", "", id="port-zero"),
        pytest.param("https://example.org:x/", "", id="port-is-no-number"),
        pytest.param("https://[::1/", "", id="broken-ipv6"),
        pytest.param("https://example.org/" + "x" * 1980, "https://example.org/" + "x" * 1980, id="2000"),
        pytest.param("https://example.org/" + "x" * 1981, "", id="2001"),
        pytest.param("", "", id="empty"),
        pytest.param(None, "", id="null"),
        pytest.param(["https://example.org/"], "", id="list"),
    ],
)  # fmt: skip
def test_web_address(value, address):
    assert web_address(value) == address
