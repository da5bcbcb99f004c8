"""Try again what may do better: later and later, and never all clients at once."""

from __future__ import annotations

import datetime
import random
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from itertools import count

from gingham.client.connections import Answer, NoAnswerError
from gingham.client.deadline import Deadline

__all__ = ["with_retries"]

FIRST_PAUSE = 0.25
LONGEST_PAUSE = 8.0


def with_retries(attempt: Callable[[], Answer], retries: int, deadline: Deadline) -> Answer:
    """Return the first answer that is not of the passing kind, or the last one.

    The pauses double and are jittered, as in "Exponential Backoff And Jitter" (M. Brooker, 2015, "equal jitter"); none
    is shorter than the answer's Retry-After.

    Parameters
    ----------
    attempt : callable
    retries : int
        Tries after the first.
    deadline : Deadline

    Raises
    ------
    NoAnswerError, TooLateError, CalledOffError
    """
    for tried in count():
        outcome: Answer | NoAnswerError
        try:
            outcome = attempt()
        except NoAnswerError as error:
            outcome = error
        longest = min(FIRST_PAUSE * 2**tried, LONGEST_PAUSE)
        pause = _retry_after(outcome) + random.uniform(0.5, 1) * longest  # noqa: S311  no secret
        if not outcome.passing or tried == retries or pause >= deadline.remaining():
            break
        deadline.wait(pause)
    if isinstance(outcome, NoAnswerError):
        raise outcome
    return outcome


def _retry_after(outcome: Answer | NoAnswerError) -> float:
    """Return the seconds that an answer asks for, given as a number or as a date."""
    value = outcome.headers.get("retry-after", "").strip() if isinstance(outcome, Answer) else ""
    if value.isascii() and value.isdecimal():
        return float(value[:9])
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):  # a date, or a zone, that is beyond all calendars
        return 0.0
    now = datetime.datetime.now(datetime.UTC)
    return max(0.0, (moment.replace(tzinfo=moment.tzinfo or datetime.UTC) - now).total_seconds())
