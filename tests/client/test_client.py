"""The client, against servers that behave in every way, and against the real service."""

from __future__ import annotations

import datetime
import email.utils
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from gingham import Client, Prediction, UnavailableError, UsageError
from tests.client import scripted
from tests.client.scripted import GOOD, MODEL, Request, Step, after, busy, drops, expected, refuses, running, says, text

TOKEN = "S3cr3t-t0k3n-f0r-t3sts"


def test_it_answers_as_a_predictor_does(image: str) -> None:
    with running(says()) as server, Client(server.url) as client:
        assert client.predict(image) == [expected(image)]
        assert client.predict([Path(image), image]) == [expected(image)] * 2
        assert client.predict([]) == []
        assert {request.content for request in server.seen} == {Path(image).read_bytes()}
        assert {(request.command, request.path) for request in server.seen} == {("POST", "/predict")}


def test_the_bytes_of_a_file_are_sent_as_they_are(image: str) -> None:
    with running(says()) as server, Client(server.url) as client:
        content = Path(image).read_bytes()
        assert client.predict(content) == [expected("")]
        good, empty = client.predict([content, b""])
        assert (good, empty.error) == (expected(""), "empty: the file has no content")
        assert [request.content for request in server.seen] == [content] * 2


@pytest.mark.parametrize(
    ("url", "arguments", "asked", "path"),
    [
        pytest.param("", {}, {}, "/predict", id="plain"),
        pytest.param("", {}, {"top_k": 2}, "/predict?top_k=2", id="top k"),
        pytest.param("", {}, {"features": True}, "/predict?return_features=true", id="features"),
        pytest.param("/models/a", {}, {}, "/models/a/predict", id="prefix"),
        pytest.param("/models/a/", {}, {}, "/models/a/predict", id="prefix with a slash"),
        pytest.param("/é", {"token": TOKEN}, {}, "/%C3%A9/predict", id="token"),
    ],
)
def test_what_is_sent(image: str, url: str, arguments: dict[str, Any], asked: dict[str, Any], path: str) -> None:
    with running(says()) as server, Client(server.url + url, **arguments) as client:
        client.predict(image, **asked)
        (request,) = server.seen
        assert request.path == path
        assert request.headers["Authorization"] == (f"Bearer {TOKEN}" if arguments else None)
        assert request.headers["Host"] == server.url.removeprefix("http://")
        assert Path(image).name not in str(request.headers)


def test_features_come_as_floats(image: str) -> None:
    with running(says(features=[0.5, 1])) as server, Client(server.url) as client:
        assert client.predict(image, features=True)[0].features == (0.5, 1.0)


@pytest.mark.parametrize(
    "script",
    [
        pytest.param([busy(), busy(), says()], id="503 twice"),
        pytest.param([text(502, "<html>"), says()], id="502"),
        pytest.param([text(504, ""), says()], id="504"),
        pytest.param([drops, says()], id="dropped before the answer"),
        pytest.param([scripted.breaks_off, says()], id="broken off inside the answer"),
        pytest.param([scripted.breaks_off_in_chunks, says()], id="broken off inside a chunk"),
    ],
)
def test_what_may_pass_is_tried_again(image: str, script: list[Step]) -> None:
    with running(*script) as server, Client(server.url) as client:
        assert client.predict(image) == [expected(image)]
        assert len(server.seen) == len(script)


def in_seconds(seconds: float) -> str:
    moment = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
    return email.utils.format_datetime(moment, usegmt=True)


@pytest.mark.parametrize(
    ("wish", "shortest"),
    [
        pytest.param(lambda: "1", 1.0, id="seconds"),
        pytest.param(lambda: in_seconds(2), 1.0, id="a date"),
        pytest.param(lambda: "-5", 0.1, id="not in the past"),
        pytest.param(lambda: "soon", 0.1, id="what it does not understand"),
    ],
)
def test_it_waits_as_long_as_the_service_wishes(image: str, wish: Callable[[], str], shortest: float) -> None:
    with running(busy(Retry_After=wish()), says()) as server, Client(server.url) as client:
        began = time.monotonic()
        assert client.predict(image) == [expected(image)]
        assert shortest <= time.monotonic() - began < shortest + 2


WRONG_ANSWERS = [
    pytest.param(refuses(401, "unauthorized", "No."), "wants a token.*GINGHAM_SERVICE__TOKEN.*--token", id="401"),
    pytest.param(refuses(403, "forbidden", "Not from there."), "answers 403: Not from there", id="403"),
    pytest.param(refuses(421, "misdirected", "Another host."), "answers 421: Another host", id="421"),
    pytest.param(refuses(408, "too_slow", "Too slow."), "answers 408: Too slow", id="408"),
    pytest.param(refuses(422, "bad_request", "top_k: no."), "answers 422: top_k: no", id="422 about the request"),
    pytest.param(text(404, "<html>not here"), "no Gingham service", id="404"),
    pytest.param(text(500, "Internal Server Error"), r"answers 500\.", id="500"),
    pytest.param(
        text(302, "", Location="http://elsewhere/x"), "redirects to http://elsewhere/x.*not followed", id="302"
    ),
    pytest.param(text(200, "<html>hello"), "no Gingham service", id="HTML"),
    pytest.param(text(200, ""), "no Gingham service", id="nothing"),
    pytest.param(text(200, "[" * 100_000), "no Gingham service", id="deep JSON"),
    pytest.param(text(200, '{"predictions": []}'), "no Gingham service", id="no prediction"),
    pytest.param(text(200, json.dumps({"predictions": [GOOD, GOOD]})), "no Gingham service", id="two predictions"),
    pytest.param(text(200, b"\x1f\x8b\x08\0" * 9, Content_Encoding="gzip"), "no Gingham service", id="compressed"),
    pytest.param(says(label=7), "no Gingham service", id="a label that is no text"),
    pytest.param(says(label="cow"), "no Gingham service", id="a label without probability"),
    pytest.param(says(probability=float("nan")), "no Gingham service", id="no number"),
    pytest.param(says(probability=1.5), "no Gingham service", id="more than certain"),
    pytest.param(says(error="empty: x"), "no Gingham service", id="a label and an error"),
    pytest.param(says(features="abc"), "no Gingham service", id="features that are text"),
    pytest.param(text(200, b" " * (17 << 20)), "more than 16,777,216 bytes", id="huge"),
]


@pytest.mark.parametrize(("step", "words"), WRONG_ANSWERS)
def test_what_does_not_pass_is_said_at_once(image: str, step: Step, words: str) -> None:
    with running(step) as server, Client(server.url) as client:
        with pytest.raises(UnavailableError, match=words) as refused:
            client.predict(image)
        assert server.url in str(refused.value)
        assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("step", "words"),
    [
        pytest.param(busy(), "answers 503: The queue is full", id="busy"),
        pytest.param(drops, "breaks the connection off", id="drops"),
    ],
)
def test_it_gives_up(image: str, step: Step, words: str) -> None:
    with running(step) as server, Client(server.url, retries=2) as client:
        with pytest.raises(UnavailableError, match=words):
            client.predict(image)
        assert len(server.seen) == 3


@pytest.mark.parametrize(
    ("step", "words"),
    [
        pytest.param(after(30, says()), "did not answer within 0.6 seconds", id="silent"),
        pytest.param(scripted.drips, "did not answer within 0.6 seconds", id="drips"),
        pytest.param(scripted.drips_headers, "did not answer within 0.6 seconds", id="drips headers"),
        pytest.param(busy(Retry_After="Wed, 21 Oct 999999999999 07:28:00 GMT"), "answers 503", id="come back never"),
        pytest.param(busy(Retry_After="3600"), "answers 503", id="come back in an hour"),
        pytest.param(drops, "breaks the connection off", id="drops again and again"),
    ],
)
def test_nothing_outlasts_the_deadline(image: str, step: Step, words: str) -> None:
    with running(step) as server, Client(server.url, timeout=0.6, retries=100) as client:
        began = time.monotonic()
        with pytest.raises(UnavailableError, match=words):
            client.predict(image)
        assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    ("step", "error"),
    [
        pytest.param(
            refuses(413, "too_large", "The image cannot be used: too_large: 1 x 2 pixels."), "too_large: 1 x 2 pixels",
            id="too many pixels",
        ),
        pytest.param(
            refuses(413, "too_large", "The body has more than 9 bytes."), "too_large: The body has more than 9 bytes",
            id="too many bytes",
        ),
        pytest.param(
            text(413, "<html>"), "too_large: the service takes no file of this size", id="too many for the proxy"
        ),
        pytest.param(scripted.refuses_unread, "too_large: The body has more than 1,000 bytes", id="refused unread"),
        pytest.param(
            refuses(415, "unsupported_format", "The image cannot be used: unsupported_format: SVG is not opened."),
            "unsupported_format: SVG is not opened", id="another format",
        ),
        pytest.param(
            refuses(422, "truncated", "The image cannot be used: truncated: it ends too early."),
            "truncated: it ends too early", id="truncated",
        ),
        pytest.param(
            says(label=None, probability=None, probabilities=None, sure=False, outlier_score=None, error="empty: x"),
            "empty: x", id="200 with an error",
        ),
    ],
)  # fmt: skip
def test_a_bad_image_costs_only_its_own_answer(image: str, step: Step, error: str) -> None:
    with running(step, says()) as server, Client(server.url, concurrency=1) as client:
        bad, good = client.predict([image, image])
        assert bad == Prediction(image, error=error)
        assert good == expected(image)


def test_a_file_that_is_not_there_is_never_asked_about(tmp_path: Path, image: str) -> None:
    with running(says()) as server, Client(server.url) as client:
        missing, folder, good = client.predict([tmp_path / "nix.jpg", tmp_path, image])
        assert missing.error == "vanished: there is no such file or folder"
        assert folder.error == "not_a_file: a folder, not a file"
        assert good.error is None
        assert len(server.seen) == 1


@pytest.mark.parametrize("step", [scripted.refuses_unread, scripted.refuses_and_leaves])
def test_a_large_body_is_refused_while_it_is_sent(tmp_path: Path, step: Step) -> None:
    (tmp_path / "large.jpg").write_bytes(bytes(20 << 20))
    with running(step) as server, Client(server.url) as client:
        (answer,) = client.predict(tmp_path / "large.jpg")
        assert answer.error == "too_large: The body has more than 1,000 bytes"


def test_answers_come_in_order_and_no_more_at_once_than_wanted(tmp_path: Path) -> None:
    files = []
    for number in range(40):
        files.append(tmp_path / f"{number}.jpg")
        files[-1].write_bytes(str(number).encode())
    running_now, most = [0], [0]
    lock, four = threading.Lock(), threading.Barrier(4)

    def slow(request: Request) -> None:
        number = int(request.read())
        with lock:
            running_now[0] += 1
            most[0] = max(most[0], running_now[0])
        four.wait(20)
        time.sleep(0.03 if number % 3 == 0 else 0.001)
        with lock:
            running_now[0] -= 1
        says(outlier_score=number / 100)(request)

    seen: list[tuple[int, int]] = []
    with running(slow) as server, Client(server.url, concurrency=4) as client:
        answers = client.predict(files, progress=lambda *step: seen.append(step))
        assert [answer.outlier_score for answer in answers] == [number / 100 for number in range(40)]
        assert [answer.path for answer in answers] == [str(file) for file in files]
        assert seen == [(done, 40) for done in range(1, 41)]
        assert most == [4]
        assert server.connections == 4


def test_threads_may_share_it(image: str) -> None:
    with running(says()) as server, Client(server.url) as client, ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: client.predict([image] * 5), range(12)))
        assert answers == [[expected(image)] * 5] * 12


def first_and_others(folder: Path, first: Step, others: Step) -> tuple[list[Path], Step]:
    """A hundred files, and a step that treats the first one differently."""
    files = [folder / f"{number}.jpg" for number in range(100)]
    for number, file in enumerate(files):
        file.write_bytes(str(number).encode())
    return files, lambda request: (first if request.read() == b"0" else others)(request)


def test_one_failure_stops_the_others(tmp_path: Path) -> None:
    files, step = first_and_others(tmp_path, refuses(401, "unauthorized", "No."), after(30, says()))
    with running(step) as server, Client(server.url) as client:
        began = time.monotonic()
        with pytest.raises(UnavailableError, match="wants a token"):
            client.predict(files)
        assert time.monotonic() - began < 3


def test_an_interruption_waits_for_nobody(tmp_path: Path) -> None:
    def interrupt(*_: int) -> None:
        raise KeyboardInterrupt

    files, step = first_and_others(tmp_path, says(), after(30, says()))
    with running(step) as server, Client(server.url, concurrency=2) as client:
        began = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            client.predict(files, progress=interrupt)
        assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    ("step", "ready"),
    [
        pytest.param(text(200, '{"status": "ready"}'), True, id="ready"),
        pytest.param(refuses(503, "stopping", "Bye."), False, id="stopping"),
        pytest.param(drops, False, id="breaks off"),
    ],
)
def test_whether_it_is_ready(step: Step, ready: bool) -> None:
    with running(step) as server, Client(server.url) as client:
        assert client.ready() is ready
        assert [request.path for request in server.seen] == ["/health/ready"]


@pytest.mark.parametrize(
    ("step", "words"),
    [
        pytest.param(text(200, json.dumps(MODEL)), "", id="good"),
        pytest.param(text(200, json.dumps(MODEL | {"info": {}})), "no Gingham service", id="without labels"),
        pytest.param(text(200, "{}"), "no Gingham service", id="something else"),
        pytest.param(refuses(401, "unauthorized", "No."), "wants a token", id="401"),
    ],
)
def test_the_model(step: Step, words: str) -> None:
    with running(step) as server, Client(server.url) as client:
        if words:
            with pytest.raises(UnavailableError, match=words):
                client.model()
        else:
            assert client.model() == MODEL


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param({"timeout": 0}, id="no time"),
        pytest.param({"timeout": float("nan")}, id="a time that is no number"),
        pytest.param({"retries": -1}, id="fewer than no retries"),
        pytest.param({"concurrency": 0}, id="no request at once"),
        pytest.param({"token": f"{TOKEN}\r\nX: y"}, id="a header inside the token"),
        pytest.param({"token": f"{TOKEN} x"}, id="a space in the token"),
    ],
)
def test_values_out_of_their_range(arguments: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="at least|token") as refused:
        Client("http://127.0.0.1", **arguments)
    assert TOKEN not in str(refused.value)


@pytest.mark.parametrize("images", [7, [None]], ids=["a number", "nothing"])
def test_what_is_no_file_is_refused(images: Any) -> None:
    with pytest.raises(UsageError, match="takes image files"):
        Client("http://127.0.0.1").predict(images)
    with pytest.raises(UsageError, match="top_k must be at least 1"):
        Client("http://127.0.0.1").predict([], top_k=0)


@pytest.mark.parametrize(
    "step",
    [
        pytest.param(text(500, json.dumps({"error": {"reason": "x", "message": f"not {TOKEN}"}})), id="echoed"),
        pytest.param(refuses(401, "unauthorized", "No."), id="401"),
        pytest.param(drops, id="dropped"),
    ],
)
def test_the_token_is_in_no_message(image: str, step: Step) -> None:
    with running(step) as server, Client(server.url, TOKEN, retries=0) as client:
        with pytest.raises(UnavailableError) as refused:
            client.predict(image)
        assert TOKEN not in f"{refused.value}{refused.value.__cause__}{client!r}"
