"""A small dataset of textures, and the one command line that the tests of the upper floors call.

Three patterns in random colours, angles and scales, with noise: a pretrained network tells most of them apart.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

FULL = bool(os.environ.get("GINGHAM_TEST_FULL"))
"""Whether trials at random moments are as long as what they promise; by default they are short."""
CLASSES = ("checks", "dots", "stripes")
PER_CLASS = 14
PARAMETERS = """\
dataset = "images/textures"
[features]
resolution = 96
precision = "f32"
[svm]
c_grid = [0.1, 1.0, 10.0]
folds = 3
[evaluation]
bootstrap = 200
report_images = 4
"""


@dataclass(frozen=True)
class Outcome:
    """How a command ended, and what it wrote."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one object on standard output; anything before or after it fails."""
        assert self.out.endswith("}\n"), self
        return json.loads(self.out)


def texture(kind: str, seed: int, width: int = 160, height: int = 120) -> Image.Image:
    """Draw one picture of ``checks``, ``dots`` or ``stripes``."""
    rng = np.random.default_rng([seed, *kind.encode()])
    y, x = np.mgrid[0:height, 0:width].astype(float)
    angle, period = rng.uniform(0, np.pi), rng.uniform(10, 26)
    u = (x * np.cos(angle) + y * np.sin(angle)) / period + rng.uniform()
    v = (y * np.cos(angle) - x * np.sin(angle)) / period + rng.uniform()
    pattern = {
        "checks": (np.floor(u) + np.floor(v)) % 2 == 0,
        "dots": np.hypot(u % 1 - 0.5, v % 1 - 0.5) < rng.uniform(0.2, 0.38),
        "stripes": u % 1 < rng.uniform(0.3, 0.7),
    }[kind]
    front, back = rng.uniform(0, 255, (2, 3))
    noisy = np.where(pattern[..., None], front, back) + rng.normal(0, 75, (height, width, 3))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def texture_bytes(kind: str, seed: int, form: str = "JPEG") -> bytes:
    """Encode one picture."""
    buffer = io.BytesIO()
    texture(kind, seed).save(buffer, form)
    return buffer.getvalue()


def write_textures(root: Path, per_class: int = PER_CLASS) -> None:
    """Write a dataset: mostly JPEG, some PNG."""
    for kind in CLASSES:
        (root / kind).mkdir(parents=True)
        for i in range(per_class):
            form, suffix = ("PNG", "png") if i % 5 == 0 else ("JPEG", "jpg")
            (root / kind / f"{i:02}.{suffix}").write_bytes(texture_bytes(kind, i, form))


def environment(**variables: str) -> dict[str, str]:
    """Return this process's environment without Gingham's and MLflow's variables, and with those given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GINGHAM_", "MLFLOW_"))}
    return kept | variables


def start_process(*arguments: object, **variables: str) -> subprocess.Popen[str]:
    """Start the command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "gingham", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**variables),
    )


def run_process(*arguments: object, **variables: str) -> Outcome:
    """Run the command in a process of its own."""
    with start_process(*arguments, **variables) as process:
        out, err = process.communicate(timeout=240)
    return Outcome(process.returncode, out, err)


def snapshot(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Return the time and content of every file below a folder, by path."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes()) for path in files}
