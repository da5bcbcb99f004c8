"""Which labels can be class folders."""

from __future__ import annotations

import pytest

from gingham.collect.labels import label_fault


@pytest.mark.parametrize("label", ["cat", "striped shirt", "été", "猫", "a" * 255, "=1+1", "<img>", "a.b", "🧥", "con"])
def test_labels_that_can(label: str) -> None:
    assert label_fault(label) == ""


@pytest.mark.parametrize(
    ("label", "why"),
    [
        ("", "empty"), ("  ", "empty"), ("a/b", "cannot hold `/`"), ("/etc", "`/`"), ("a\\b", "`\\`"),
        ("..", "with a dot"),
        (".", "with a dot"), ("../a", "with a dot"), (".git", "with a dot"), ("a\0b", "control"), ("a\nb", "control"),
        ("a\x7f", "control"), ("a\x85", "control"), ("a\u2028b", "control"), ("\ud800", "control"),
        ("__MACOSX", "not looked into"), ("Thumbs.db", "not looked into"), ("a" * 256, "255 bytes"),
        ("é" * 128, "255 bytes"),
    ],
)  # fmt: skip
def test_labels_that_cannot(label: str, why: str) -> None:
    assert why in label_fault(label)
