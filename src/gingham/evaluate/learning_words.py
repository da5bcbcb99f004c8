"""What learning curves say, in a layman's words."""

from __future__ import annotations

from collections.abc import Sequence

from gingham.evaluate.outlook import Gain, Interval, LearningFindings, Outlook, Prospect
from gingham.evaluate.wording import count_of, digits_for, percent, quoted

__all__ = ["headline", "points", "points_range", "verdict"]


def points(gain: float) -> str:
    """Write a difference of two shares, in percentage points.

    >>> points(0.0312), points(-0.004), points(0.0)
    ('+3.1', '−0.4', '0.0')
    """
    rounded = round(100 * gain, 1) or 0.0
    return f"{rounded:+.1f}".replace("-", "−") if rounded else "0.0"


def points_range(interval: Interval) -> str:
    """Write an interval of such differences.

    >>> points_range((-0.002, 0.041))
    '−0.2 to +4.1'
    """
    low, high = map(points, interval)
    return f"{low} to {high}"


def verdict(outlook: Outlook, more: int) -> str:
    """Say in a sentence what ``more`` images of a class would do for it.

    Parameters
    ----------
    outlook : Outlook
    more : int
        One of its gains.
    """
    low, high = outlook.with_more(more).gain_interval
    if outlook.prospect is Prospect.TOO_FEW:
        return "Too few different images to tell. Any more help to know."
    if outlook.prospect is Prospect.FLAWLESS:
        return f"All are recognised: no more than {percent(high)} could be missing."
    if outlook.prospect is Prospect.FLAT:
        return "Flat: more images like these would hardly change it."
    if outlook.prospect is Prospect.GROWS:
        return f"Still rising: {100 * low:.1f} to {100 * high:.1f} points."
    if points(low) == points(0.0):
        return f"Not sure: perhaps nothing, at most {100 * high:.1f} points."
    return f"Not sure how much: {100 * low:.1f} to {100 * high:.1f} points."


def headline(findings: LearningFindings, names: Sequence[str]) -> tuple[str, str]:
    """Return the answer to which class needs more photos, and what speaks for it.

    Parameters
    ----------
    findings : LearningFindings
    names : sequence of str, length K

    Returns
    -------
    title, reasons : str
    """
    more = findings.more
    best = findings.classes[findings.ranking[0]]
    gain, name = best.with_more(more), quoted(names[best.index])
    if best.prospect is Prospect.TOO_FEW:
        return "There are too few images to tell", (
            "Of every class only a handful of different images is there. Add more of each, and ask again."
        )
    photos = f"{more:,} more photos of {name}"
    change = (
        f"With {photos}, {_share(gain.accuracy, best.images)} of its images would be recognised instead of"
        f" {_share(best.accuracy, best.images)} ({points_range(gain.gain_interval)} points)"
    )
    averaged = (
        f"the class-averaged accuracy would change by {points(gain.averaged)} points"
        f" ({points_range(gain.averaged_interval)})"
    )
    if gain.averaged_interval[0] > 0:
        return f"{name} needs photos most", f"{change}, and {averaged}. {_everywhere(findings)}"
    if best.prospect is Prospect.GROWS:
        return f"{name} would gain most, partly from other classes", (
            f"{change}. But some of what one class wins, others lose: {averaged}. {_everywhere(findings)}"
        )
    if best.prospect is Prospect.FLAWLESS:
        return "All held-out images are recognised", "As far as these images can tell, no class needs more of them."
    nothing = ", which may be nothing" if gain.gain_interval[0] <= 0 else ""
    return "No class stands out", f"The most promising is {name}. {change}{nothing}. {_everywhere(findings)}"


def _everywhere(findings: LearningFindings) -> str:
    overall, classes = findings.overall, len(findings.classes)
    gain: Gain = overall.with_more(classes * findings.more)
    return (
        f"{findings.more:,} more of every class ({count_of(gain.more, 'image')}) would take the accuracy from"
        f" {_share(overall.accuracy, overall.images)} to {_share(gain.accuracy, overall.images)}"
        f" ({points_range(gain.gain_interval)} points)."
    )


def _share(accuracy: float, images: int) -> str:
    return percent(accuracy, digits_for(images))
