"""The client and the real service: the same answers as from the model file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import gingham
from gingham import Client, Prediction, UnavailableError
from tests.images.makers import bad_files, good_files
from tests.textures import start_process

TOKEN = "S3cr3t-t0k3n-f0r-t3sts"


@pytest.fixture(scope="module")
def service(untouched_run: Path) -> Iterator[tuple[Path, str]]:
    """The model of a finished run, and the address of a real service of it."""
    model = next(untouched_run.glob("runs/*/model.onnx"))
    flags = ("--port", "0", "--json", "--no-access-log")
    with start_process("serve", model, *flags, GINGHAM_SERVICE__TOKEN=TOKEN) as process:
        try:
            assert process.stdout is not None
            yield model, json.loads(process.stdout.readline())["url"]
        finally:
            process.terminate()
            process.communicate(timeout=30)


def agree(ours: list[Prediction], theirs: list[Prediction]) -> None:
    for one, other in zip(ours, theirs, strict=True):
        assert (one.path, one.label, one.error, one.sure) == (other.path, other.label, other.error, other.sure)
        assert (one.probabilities or {}) == pytest.approx(other.probabilities or {}, abs=1e-6)
        assert one.outlier_score == pytest.approx(other.outlier_score, abs=1e-6)


def test_a_real_service_answers_as_the_model_file_does(service: tuple[Path, str], tmp_path: Path) -> None:
    model, url = service
    for name, data in good_files().items():
        (tmp_path / name).write_bytes(data)
    for name, (data, _) in bad_files().items():
        (tmp_path / f"bad {name}").write_bytes(data)
    files = [*sorted(tmp_path.iterdir()), tmp_path / "nix.jpg", tmp_path]
    with Client(url, TOKEN) as client:
        assert client.ready()
        told = client.model()
        predictor = gingham.load(model)
        assert (told["id"], tuple(told["info"]["labels"])) == (predictor.digest, predictor.labels)
        answers = client.predict(files)
        agree(answers, predictor.predict(files))
        good = [answer.path for answer in answers if answer.error is None]
        (first, *_) = client.predict(good[:3], top_k=1, features=True)
        assert list(first.probabilities or {}) == [first.label]
        assert first.features == pytest.approx(predictor.predict(good[0], features=True)[0].features, abs=1e-6)
    with Client(url, "wrong") as stranger, pytest.raises(UnavailableError, match="wants another token"):
        stranger.predict(good[0])


@pytest.mark.photos
def test_real_photos_are_answered_as_by_the_model_file(service: tuple[Path, str], photos: Path) -> None:
    model, url = service
    files = [file for kind in ("hat", "shoes") for file in sorted((photos / "clothing" / kind).iterdir())[:40]]
    with Client(url, TOKEN) as client:
        agree(client.predict(files), gingham.load(model).predict(files))
