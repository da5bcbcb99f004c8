"""Forms taken apart: what was put into one comes out of it, and whatever is none is refused as such."""

from __future__ import annotations

import httpx2
from hypothesis import given, settings
from hypothesis import strategies as st

from gingham.serve.form import FormError, Part, parts_of
from tests.serve.exchange import BOUNDARY, FORM, file_part, form_of, part

NAMES = st.text(st.characters(codec="utf-8", exclude_characters='"\\\r\n'), max_size=20)
CONTENTS = st.binary(max_size=60).filter(lambda content: BOUNDARY.encode() not in content)
PIECES = st.sampled_from([
    b"\r\n", b"--", BOUNDARY.encode(), b"Content-Disposition", b": ", b"form-data", b"; name", b"; filename", b"*=",
    b'="a"', b'"', b"\\", b"utf-8'", b"'%ff", b"\0", b"\xff", b" ",
])  # fmt: skip


@given(st.lists(st.tuples(NAMES, NAMES, CONTENTS), max_size=5))
def test_what_was_put_in_comes_out(files: list[tuple[str, str, bytes]]) -> None:
    body = form_of([file_part(content, filename, name=name) for name, filename, content in files])
    assert parts_of(body, FORM, 8) == [Part(*each) for each in files]


@given(st.lists(st.tuples(NAMES, CONTENTS), max_size=5))
def test_a_client_library_is_understood(files: list[tuple[str, bytes]]) -> None:
    sent = httpx2.Request("POST", "http://a", files=[("image", each) for each in files] or {"x": b""})
    found = parts_of(sent.read(), sent.headers["content-type"], 8)
    assert [each.content for each in found] == ([content for _, content in files] or [b""])


def count(body: bytes, content_type: str) -> int:
    """Parts in a body; -1 where it is refused, as it should be where it is no form."""
    try:
        return len(parts_of(body, content_type, 4))
    except FormError:
        return -1


@settings(max_examples=300)
@given(st.lists(PIECES, max_size=30).map(b"".join), st.booleans())
def test_anything_is_a_form_or_refused(content: bytes, framed: bool) -> None:
    assert -1 <= count(form_of([content]) if framed else content, FORM) <= 5


@given(st.text(st.characters(codec="latin-1"), max_size=40))
def test_whatever_the_header_says_nothing_is_no_form(header: str) -> None:
    assert count(b"", header) == count(b"", f"multipart/form-data; boundary={header}") == -1


def test_of_more_parts_than_allowed_one_more_is_returned() -> None:
    for count, returned in ((4, 4), (5, 5), (6, 5), (1000, 5)):
        assert len(parts_of(form_of([part("a", "b")] * count), FORM, 4)) == returned
