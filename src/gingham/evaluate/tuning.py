"""What a comparison of classifiers found, and how it is told: the same on the page and in the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from gingham.evaluate.wording import count_of

__all__ = ["Finding", "TuningRow", "has_line"]


@dataclass(frozen=True)
class TuningRow:
    """One candidate.

    Parameters
    ----------
    name : str
        In words.
    classifier : {"svm", "dnn"}
    flags : str
        What makes a run of it.
    accuracy : float
        On training images that were held out.
    interval : (float, float)
    held_out : int
        How many those are.
    milliseconds : float
        An image, from file to features.
    megabytes : float
        Of the model file.
    pareto : bool
        Nothing is both more accurate and faster.
    as_good : bool
        Its difference from the best, image by image, may be chance.
    best, recommended : bool
    """

    name: str
    classifier: str
    flags: str
    accuracy: float
    interval: tuple[float, float]
    held_out: int
    milliseconds: float
    megabytes: float
    pareto: bool
    as_good: bool
    best: bool
    recommended: bool

    @property
    def verdict(self) -> str:
        """What is to be said of it in a word or two, if anything."""
        verdicts = {"recommended": self.recommended, "most accurate": self.best, "as good": self.as_good}
        return next((word for word, holds in verdicts.items() if holds), "")

    def to_json(self) -> dict[str, Any]:
        """Return it as one JSON object."""
        return asdict(self)


@dataclass(frozen=True)
class Finding:
    """All that was measured, which of it to take, and what the test images say of that.

    Parameters
    ----------
    rows : tuple of TuningRow
        The most accurate first; exactly one is recommended, and one the best.
    measured_now : int
        How many of them this call measured; the others are kept from earlier ones.
    metrics : mapping
        Of the recommended one's run: ``accuracy``, ``accuracy_ci``, ``n_test`` and ``n_correct``.
    other_runs : int
        How many other runs of the project have met the same test images.

    """

    rows: tuple[TuningRow, ...]
    measured_now: int
    metrics: Mapping[str, Any]
    other_runs: int

    @property
    def recommended(self) -> TuningRow:
        """The fastest that may be as good as the best."""
        return next(row for row in self.rows if row.recommended)

    @property
    def best(self) -> TuningRow:
        """The most accurate."""
        return next(row for row in self.rows if row.best)

    @property
    def kept(self) -> int:
        """How many candidates were measured by earlier calls."""
        return len(self.rows) - self.measured_now

    @property
    def why(self) -> str:
        """Why the recommended one is."""
        if len(self.rows) == 1:
            return "the only one that was measured, so there was nothing to choose"
        if self.recommended.best:
            return "the most accurate on training images that were held out"
        return (
            f"the fastest of those whose difference from the most accurate ({self.best.name}), image by image, "
            "may be chance"
        )

    @property
    def sources(self) -> str:
        """Which calls measured the candidates."""
        count = count_of(len(self.rows), "candidate")
        if not self.kept:
            return f"{count}, measured now."
        return f"{count}: {self.measured_now:,} measured now, {self.kept:,} kept from earlier calls."

    @property
    def met(self) -> str:
        """Who else has met the test images."""
        others = count_of(self.other_runs, "other run") if self.other_runs else "No other run"
        return f"{others} of this project {'have' if self.other_runs > 1 else 'has'} met these test images."


def has_line(rows: Sequence[TuningRow]) -> bool:
    """Tell whether there is anything to choose between in accuracy and time: more than one that nothing else beats."""
    return len({(row.milliseconds, row.accuracy) for row in rows if row.pareto}) > 1
