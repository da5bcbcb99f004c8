"""The sampler: what it is told of, and what it passes over."""

from __future__ import annotations

from pathlib import Path

import pytest

from gingham.config import load_config
from gingham.workflow.candidates import Candidate
from gingham.workflow.search import Search

SPACE = {"tuning.backbones": ["a", "a+b"], "tuning.resolutions": [224], "tuning.views": ["one"], "tuning.epochs": [8]}


@pytest.mark.parametrize(
    ("candidate", "taken"),
    [
        (Candidate("svm", "a", 224), True),
        (Candidate("svm", "a+b", 224), True),
        (Candidate("dnn", "a", 224, "one", 8, 5e-4), True),
        (Candidate("svm", "c", 224), False),
        (Candidate("svm", "a", 320), False),
        (Candidate("svm", "a", 224, "flip"), False),
        (Candidate("dnn", "a+b", 224, "one", 8, 5e-4), False),
        (Candidate("dnn", "a", 224, "one", 9, 5e-4), False),
        (Candidate("dnn", "a", 224, "one", 8, 5e-2), False),
    ],
)
def test_it_learns_of_what_it_could_propose_and_passes_over_the_rest(
    candidate: Candidate, taken: bool, tmp_path: Path
) -> None:
    search = Search(tmp_path / "search.sqlite", load_config(tmp_path / "none", {}, SPACE))
    search.learn(candidate, 0.9)
    assert (candidate in search.tried) is taken
