"""The picture of an explanation: image, colours and caption, understandable alone and without Matplotlib."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from gingham.export import explanation_picture
from gingham.export.explanation import Explanation
from tests.textures import environment

DARK = np.zeros((96, 96, 3), np.uint8)
CORNER = np.array([[0, 1], [-1, 0]], np.float32)


def explanation(label: str = "cat", *, square: np.ndarray = DARK, evidence: np.ndarray = CORNER) -> Explanation:
    return Explanation("a.jpg", label, evidence, 0.0, square, {"cat": 0.75, "dog": 0.25, label: 0.75})


def pixels(made: Explanation) -> np.ndarray:
    with Image.open(io.BytesIO(made.picture())) as picture:
        assert picture.format == "JPEG"
        return np.asarray(picture).astype(int)


@pytest.mark.parametrize(("resolution", "side"), [(96, 448), (224, 448), (512, 512)])
def test_both_sides_are_large_whatever_the_network_sees(resolution: int, side: int) -> None:
    sheet = pixels(explanation(square=np.full((resolution, resolution, 3), (200, 20, 20), np.uint8)))
    assert sheet.shape[0] > side + 60
    assert sheet.shape[1] == 2 * side + 56
    middle = 20 + side // 2
    np.testing.assert_allclose(sheet[middle, middle], (200, 20, 20), atol=6)  # as it is
    assert np.ptp(sheet[20 + side - 20, 36 + side + 20]) < 8  # nothing spoke here: grey


def test_what_spoke_for_it_is_seen_on_a_black_image_as_on_a_white_one() -> None:
    for square in (DARK, DARK + 255):
        sheet = pixels(explanation(square=square))
        there, elsewhere = sheet[30, -30], sheet[450, -30]
        assert there.max() - there.min() > 100
        assert there.max() > elsewhere.max() + 50


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the caption says."""
    texts: list[str] = []
    write = explanation_picture.write_text

    def noted(drawing: object, place: tuple[float, float], text: str, *others: object) -> float:
        texts.append(text)
        return write(drawing, place, text, *others)  # type: ignore[arg-type]

    monkeypatch.setattr(explanation_picture, "write_text", noted)
    return texts


@pytest.mark.parametrize(
    ("label", "evidence", "words"),
    [
        pytest.param("cat", CORNER, "What spoke for this answer: nothing most Answer: cat, 75.0 % probable", id="cat"),
        pytest.param(
            "dog", CORNER, "What spoke for this class: nothing most Class: dog, 25.0 % probable", id="another"
        ),
        pytest.param(
            "cat", -CORNER - 2, "No place spoke for this answer: it is the least unlikely Answer: cat", id="no"
        ),
        pytest.param("dog", -CORNER - 2, "No place spoke for this class Class: dog", id="nothing for another"),
    ],
)
def test_the_caption(said: list[str], label: str, evidence: np.ndarray, words: str) -> None:
    made = Explanation("a.jpg", label, evidence, 0.0, DARK, {"cat": 0.75, "dog": 0.25})
    made.picture()
    shown = " ".join("".join(f"{text} " for text in said).replace(" ,", ",").split())
    assert shown.startswith("What the network saw ")
    assert words in shown


@pytest.mark.parametrize("label", ["條紋", "فستان", "a" * 255, "two\nlines", "\udcff", " ", "$x_1$"])
def test_names_of_any_kind_leave_the_picture_as_large_as_it_is(label: str) -> None:
    assert pixels(explanation(label)).shape == pixels(explanation()).shape


def test_it_needs_nothing_that_a_service_has_not() -> None:
    code = (
        "import sys, numpy as np\n"
        "sys.modules['matplotlib'] = sys.modules['torch'] = sys.modules['jinja2'] = sys.modules['sklearn'] = None\n"
        "from gingham.export.explanation import Explanation\n"
        "square = np.zeros((96, 96, 3), np.uint8)\n"
        "assert Explanation('a', 'cat', np.eye(3), 0.0, square, {'cat': 1.0}).picture()\n"
    )
    subprocess.run([sys.executable, "-c", code], env=environment(), check=True)
