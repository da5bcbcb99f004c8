"""What the tests of the client share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.textures import texture_bytes


@pytest.fixture
def image(tmp_path: Path) -> str:
    file = tmp_path / "a.png"
    file.write_bytes(texture_bytes("dots", 0, "PNG"))
    return str(file)
