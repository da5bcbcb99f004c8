"""The page of nearest: each image with its neighbours, names as text, nothing from elsewhere."""

from __future__ import annotations

import re

from gingham.evaluate.nearest_page import Card, ImageRow, render_nearest

JPEG = b"\xff\xd8\xff"


def row(**changes: object) -> ImageRow:
    values: dict[str, object] = {
        "path": "a.jpg",
        "thumbnail": JPEG,
        "answer": "cat",
        "probability": 0.756,
        "error": None,
        "trained_as": None,
        "nearest": (Card("dog/1.jpg", JPEG, "dog", 0.98765), Card("cat/2.jpg", b"", "cat", 0.5)),
    }
    return ImageRow(**(values | changes))  # type: ignore[arg-type]


def page(*rows: ImageRow, total: int | None = None) -> str:
    made = render_nearest(rows, total=total or len(rows), dataset="photos", run_id="20261127-063146-cba2")
    made.encode()
    return made


def test_each_image_has_its_answer_and_its_neighbours_with_label_and_similarity() -> None:
    text = page(row())
    assert "Answer: <b><bdi>cat</bdi></b>" in text
    assert "75.6&nbsp;% probable" in text
    assert text.count('<img src="data:image/jpeg;base64,/9j/"') == 2
    assert text.count("no picture") == 1
    assert re.findall(r"similarity (0\.\d+)", text) == ["0.988", "0.500"]
    assert "<bdi>dog</bdi>" in text
    assert "Itself a training image" not in text


def test_what_it_was_trained_as_is_said() -> None:
    assert "Itself a training image, trained on as <bdi>dog</bdi>" in page(row(trained_as="dog"))


def test_what_cannot_be_read_says_why() -> None:
    bad = row(answer=None, probability=None, error="empty: the file has no content", thumbnail=b"", nearest=())
    text = page(bad)
    assert "cannot be read" in text
    assert "empty: the file has no content" in text
    assert "probable" not in text


def test_what_is_not_shown_is_counted() -> None:
    assert "Showing 2 of 1,000." in page(row(), row(), total=1000)
    assert "Showing" not in page(row())


def test_names_are_text() -> None:
    name = "<script>x</script>\udcff\n"
    text = page(row(path=name, answer=name, trained_as=name, nearest=(Card(name, JPEG, name, 1.0),)))
    assert "<script>x" not in text
    assert "&lt;script&gt;x&lt;/script&gt;\\xff\\n" in text


def test_it_asks_nothing_of_a_network_and_has_both_schemes() -> None:
    text = page(row())
    assert "default-src 'none'" in text
    assert "prefers-color-scheme:dark" in text
    assert not re.search(r"https?://", text)
