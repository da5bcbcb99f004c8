"""Ask a running service instead of a model file."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from types import TracebackType
from typing import Any
from urllib.parse import urlencode

from gingham import __version__
from gingham.client.address import Address
from gingham.client.answers import UnexpectedAnswerError, error_of, model_of, prediction_of
from gingham.client.connections import Answer, Connections, NoAnswerError
from gingham.client.deadline import Deadline, TooLateError
from gingham.client.retries import with_retries
from gingham.errors import ImageError, UnavailableError, UsageError
from gingham.export import Prediction
from gingham.export.image_paths import GivenImages, content_of, given_images, name_of
from gingham.records import display_path

__all__ = ["CONCURRENCY", "Client"]

CONCURRENCY = 8

Progress = Callable[[int, int], None]


class Client:
    """A Gingham service, as :class:`gingham.Predictor` is a model file. Threads may share it.

    Images are sent one a request, several at once, over connections that are kept open. What may pass (503, 502, 504,
    a connection that is refused or breaks off) is tried again, later and later, and not before the service wishes it.
    Redirects and proxies are not followed.

    Parameters
    ----------
    url : str
        Its address, http or https, such as ``http://127.0.0.1:8000``; a path in front of the service's own is kept.
    token : str, optional
        What the service wants as a bearer token.
    timeout : float
        Seconds in which an image must be answered, all tries and waits included.
    retries : int
        Tries after the first.
    concurrency : int
        Requests at once.

    Raises
    ------
    UsageError
        For what is no such address, one with a user or password in it, or a value out of its range.

    Examples
    --------
    >>> Client("http://127.0.0.1:8000", token="secret")
    Client('http://127.0.0.1:8000')
    """

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        timeout: float = 60.0,
        retries: int = 5,
        concurrency: int = CONCURRENCY,
    ) -> None:
        if not timeout > 0 or retries < 0 or concurrency < 1:
            raise UsageError("timeout must be above 0, retries at least 0 and concurrency at least 1.")
        if token and not (token.isascii() and token.isprintable() and " " not in token):
            raise UsageError("The token has a space, or a character that is not ASCII: no service has such a token.")
        self.address = Address.of(url)
        self.timeout = timeout
        self.retries = retries
        self.concurrency = concurrency
        self._token = token
        headers = {"User-Agent": f"gingham/{__version__}", "Accept": "application/json"}
        self._connections = Connections(self.address, headers | ({"Authorization": f"Bearer {token}"} if token else {}))

    def __repr__(self) -> str:
        return f"Client({str(self.address)!r})"

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; another call opens new ones."""
        self._connections.close()

    def predict(
        self,
        images: GivenImages,
        *,
        top_k: int | None = None,
        features: bool = False,
        progress: Progress | None = None,
    ) -> list[Prediction]:
        """Predict the class of every image file; one that cannot be read costs only its own answer.

        Parameters
        ----------
        images : path or bytes, or iterable of such
            Bytes are what is in an image file; their answers have an empty ``path``. One is answered by a list of one.
        top_k : int, optional
            Only so many classes, the most probable first.
        features : bool
            Whether the answers carry the features too.
        progress : callable of (done, total), optional

        Returns
        -------
        list of Prediction
            In the order of ``images``.

        Raises
        ------
        UsageError
            For anything else, or ``top_k`` below 1.
        UnavailableError
            If the service cannot be reached, wants another token, does not answer in time, or is none of Gingham's.
        """
        given = given_images(images, "")
        if top_k is not None and top_k < 1:
            raise UsageError(f"top_k must be at least 1, not {top_k}.")
        asked = {"top_k": top_k, "return_features": "true" if features else None}
        query = urlencode({name: value for name, value in asked.items() if value is not None})
        answers: list[Prediction] = []
        with closing(self._answers(given, f"/predict?{query}" if query else "/predict")) as found:
            for answer in found:
                answers.append(answer)
                if progress is not None:
                    progress(len(answers), len(given))
        return answers

    def model(self) -> dict[str, Any]:
        """Return all that the service says of its model: ``id``, ``info`` with the labels, ``limits``, …

        Raises
        ------
        UnavailableError
            As :meth:`predict` does.
        """
        answer = self._ask("GET", "/model", b"", self._deadline(), self.retries)
        try:
            if answer.status == 200:
                return model_of(answer)
        except UnexpectedAnswerError:
            raise self._stranger() from None
        raise self._refused(answer)

    def ready(self) -> bool:
        """Return whether the service is there and takes requests."""
        try:
            return self._ask("GET", "/health/ready", b"", self._deadline(), retries=0).status == 200
        except UnavailableError:
            return False

    def _answers(self, given: list[str | bytes], target: str) -> Generator[Prediction, None, None]:
        """Yield the answers in order, asking a bounded number ahead."""
        called_off = threading.Event()
        pool = ThreadPoolExecutor(self.concurrency, thread_name_prefix="gingham-client")
        pending: deque[Future[Prediction]] = deque()
        try:
            for image in given:
                pending.append(pool.submit(self._answer, image, target, called_off))
                if len(pending) == 4 * self.concurrency:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            called_off.set()  # those that wait for an answer, or to try again, stop waiting
            pool.shutdown(cancel_futures=True)

    def _answer(self, image: str | bytes, target: str, called_off: threading.Event) -> Prediction:
        path = name_of(image)
        try:
            data = content_of(image)
        except ImageError as error:
            return Prediction.failed(path, error)
        answer = self._ask("POST", target, data, self._deadline(called_off), self.retries)
        try:
            prediction = prediction_of(answer, path)
        except UnexpectedAnswerError:
            raise self._stranger() from None
        if prediction is None:
            raise self._refused(answer)
        return prediction

    def _ask(self, method: str, target: str, body: bytes, deadline: Deadline, retries: int) -> Answer:
        try:
            return with_retries(lambda: self._connections.exchange(method, target, body, deadline), retries, deadline)
        except NoAnswerError as error:
            raise UnavailableError(f"The service at {self.address} {error}") from error
        except TooLateError:
            raise UnavailableError(
                f"The service at {self.address} did not answer within {self.timeout:g} seconds, tries included."
            ) from None

    def _deadline(self, called_off: threading.Event | None = None) -> Deadline:
        return Deadline(self.timeout, called_off or threading.Event())

    def _refused(self, answer: Answer) -> UnavailableError:
        if 300 <= answer.status < 400:
            elsewhere = display_path(answer.headers.get("location", "another address"))[:200]
            return UnavailableError(
                f"The service at {self.address} redirects to {elsewhere}. Redirects are not followed: if you trust that"
                " address, give it."
            )
        problem = error_of(answer)
        if answer.status == 401:
            whose = "another token than the one given" if self._token else "a token"
            return UnavailableError(
                f"The service at {self.address} wants {whose}. In Python, give Client(url,"
                " token=…); in a shell, set GINGHAM_SERVICE__TOKEN, or give --token TOKEN."
            )
        if problem is None and answer.status < 500:
            return self._stranger()
        words = f": {problem[1]}" if problem else "."
        if self._token:
            words = words.replace(self._token, "…")
        return UnavailableError(f"The service at {self.address} answers {answer.status}{words}")

    def _stranger(self) -> UnavailableError:
        return UnavailableError(
            f"What answers at {self.address} is no Gingham service. Give the address that `gingham serve` prints."
        )
