"""What may be wrong with a body, each with its status, and what a hostile one may cost."""

from __future__ import annotations

import base64
import gzip
import io
import re
import socket
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.images import makers
from tests.serve.exchange import BOUNDARY, FORM, Asker, file_part, form_of, part, read
from tests.serve.process import ServiceProcess
from tests.serve.running import running

PHOTO = makers.jpeg()
BASE64 = base64.b64encode(PHOTO).decode()
FILE = file_part(PHOTO)
CLOSE = b"--%s--\r\n" % BOUNDARY.encode()


def zipped(megabytes: int = 64) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.jpg", bytes(megabytes << 20))
    return buffer.getvalue()


JSON = {
    "empty": (b"", 422, "bad_request"),
    "cut": (b'{"images": ["', 422, "bad_request"),
    "no JSON": (b"images=a.jpg", 422, "bad_request"),
    "no object": (b'["AAAA"]', 422, "bad_request"),
    "null": (b"null", 422, "bad_request"),
    "a number": (b"1", 422, "bad_request"),
    "no images": (b"{}", 422, "bad_request"),
    "images null": (b'{"images": null}', 422, "bad_request"),
    "none": (b'{"images": []}', 422, "bad_request"),
    "no texts": (b'{"images": [1]}', 422, "bad_request"),
    "an unknown key": (b'{"images": ["AAAA"], "topk": 3}', 422, "bad_request"),
    "a text for a number": (b'{"images": ["AAAA"], "top_k": "3"}', 422, "bad_request"),
    "truth for a number": (b'{"images": ["AAAA"], "top_k": true}', 422, "bad_request"),
    "a number for truth": (b'{"images": ["AAAA"], "return_features": 1}', 422, "bad_request"),
    "NaN": (b'{"images": ["AAAA"], "top_k": NaN}', 422, "bad_request"),
    "infinity": (b'{"images": ["AAAA"], "top_k": 1e999}', 422, "bad_request"),
    "deep": (b'{"images": ' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}", 422, "bad_request"),
    "deep objects": (b'{"a":' * 100_000, 422, "bad_request"),
    "half a surrogate": (b'{"images": ["\\ud800"]}', 422, "bad_request"),
    "no UTF-8": (b'{"images": ["\xff\xfe"]}', 422, "bad_request"),
    "UTF-16": ('{"images": ["AAAA"]}'.encode("utf-16"), 422, "bad_request"),
    "NUL": (b'{"images": ["\0"]}', 422, "bad_request"),
    "the last of a key given twice": (b'{"images": ["AAAA"], "images": []}', 422, "bad_request"),
    "a million values": (b'{"images": [' + b'"",' * 1_100_000 + b'""]}', 413, "too_large"),
    "a million lists": (b'{"images": [' + b"[[[]]]," * 300_000 + b'""]}', 413, "too_large"),
    "a million objects": (b'{"images": [' + b'{"a":{}},' * 400_000 + b'""]}', 413, "too_large"),
    "many images": (b'{"images": [' + b'"AAAA",' * 64 + b'"AAAA"]}', 413, "too_many_images"),
    "no image": (b'{"images": ["AAAA"]}', 415, "not_an_image"),
    "an empty one": (b'{"images": [""]}', 422, "empty"),
}


@pytest.mark.parametrize(("body", "status", "reason"), JSON.values(), ids=JSON)
def test_json_that_is_not_what_it_should_be(body: bytes, status: int, reason: str, ask: Asker) -> None:
    answer = ask.json(body)
    assert (answer.status, answer.reason) == (status, reason)


TEXTS = {
    "line breaks": ("\n".join(re.findall(".{1,76}", BASE64)), "--wrap=0"),
    "another alphabet": (BASE64.replace("+", "-").replace("/", "_"), "alphabet"),
    "no padding": (base64.b64encode(PHOTO + b"\0" * (4 - len(PHOTO) % 3)).decode().rstrip("="), "base64"),
    "more after the end": (base64.b64encode(b"a").decode() + "AAAA", "base64"),
    "a data URL": (f"data:image/jpeg;base64,{BASE64}", "comma"),
    "a file": ("file:///etc/passwd", "fetches nothing"),
    "a path": ("/etc/passwd!", "base64"),
    "another script": ("猫猫猫猫", "base64"),
    "another scheme": ("gopher://127.0.0.1:6379/_INFO", "fetches nothing"),
}


@pytest.mark.parametrize(("text", "hint"), TEXTS.values(), ids=TEXTS)
def test_only_base64_is_base64(text: str, hint: str, ask: Asker) -> None:
    answer = ask.json({"images": [BASE64, text]})
    assert (answer.status, answer.reason) == (422, "bad_base64")
    assert "images[1]" in answer.json["error"]["message"]
    assert hint in answer.json["error"]["message"]


def test_an_address_is_never_fetched(ask: Asker) -> None:
    with socket.create_server(("127.0.0.1", 0)) as bait:
        bait.settimeout(0.5)
        address = f"http://127.0.0.1:{bait.getsockname()[1]}/a.jpg"
        head = b"Content-Disposition: form-data; name=image\r\nContent-Location: %s\r\n\r\n" % address.encode()
        svg = f'<svg xmlns="http://www.w3.org/2000/svg"><image href="{address}"/></svg>'.encode()
        answers = [
            ask.json({"images": [address]}),
            ask.form(part("image", address)),
            ask.form(head + address.encode()),
            ask("POST", f"/predict?url={address}", PHOTO, content_type="image/jpeg"),
            ask("POST", "/predict", svg, content_type="image/svg+xml"),
            ask("POST", "/predict", address.encode(), content_type="text/uri-list"),
        ]
        assert [answer.status for answer in answers] == [422, 422, 422, 422, 415, 415]
        with pytest.raises(TimeoutError):
            bait.accept()


@pytest.mark.parametrize("bomb", [gzip.compress(bytes(64 << 20)), zipped()], ids=["gzip", "zip"])
def test_a_bomb_is_no_image_and_stays_packed(bomb: bytes, ask: Asker, service: ServiceProcess) -> None:
    before = service.memory()
    for answer in (
        ask.json({"images": [base64.b64encode(bomb).decode()]}),
        ask("POST", "/predict", bomb, content_type="image/png"),
    ):
        assert (answer.status, answer.reason) == (415, "not_an_image")
    assert service.memory() < before + (32 << 20)


FORMS = {
    "empty": (b"", 422, "bad_form"),
    "no parts": (CLOSE, 422, "empty"),
    "fields only": (form_of([part("top_k", "3")]), 422, "empty"),
    "an image without a file name": (form_of([part("image", "GIF89a")]), 422, "empty"),
    "another boundary": (form_of([FILE]).replace(BOUNDARY.encode(), b"x"), 422, "bad_form"),
    "no end": (form_of([FILE]).removesuffix(CLOSE), 422, "bad_form"),
    "cut in the second file": (form_of([FILE, FILE])[:-500], 422, "bad_form"),
    "cut in the headers": (form_of([FILE])[:60], 422, "bad_form"),
    "a part without headers": (form_of([b"just text"]), 422, "bad_form"),
    "a part without a disposition": (form_of([b"Content-Type: image/jpeg\r\n\r\nx"]), 422, "bad_form"),
    "a part without a name": (form_of([b"Content-Disposition: form-data\r\n\r\nx"]), 422, "bad_form"),
    "a header bomb": (form_of([b"X-A: b\r\n" * 100_000 + FILE]), 422, "bad_form"),
    "a long header": (form_of([b"X-A: " + b"b" * 1_000_000 + b"\r\n" + FILE]), 422, "bad_form"),
    "a long name": (form_of([file_part(PHOTO, b"n" * 20_000)]), 422, "bad_form"),
    "lines that end in LF": (form_of([FILE]).replace(b"\r\n", b"\n"), 422, "bad_form"),
    "too many files": (form_of([FILE] * 65), 413, "too_many_images"),
    "too many fields": (form_of([FILE, *[part("top_k", "1")] * 9]), 422, "bad_form"),
    "an unknown field": (form_of([FILE, part("topk", "3")]), 422, "bad_request"),
    "a hundred thousand parts": (form_of([part("a", "b")] * 100_000), 422, "bad_form"),
    "a file that is empty": (form_of([file_part(b"")]), 422, "empty"),
}


@pytest.mark.parametrize(("body", "status", "reason"), FORMS.values(), ids=FORMS)
def test_a_form_that_is_not_whole(body: bytes, status: int, reason: str, ask: Asker) -> None:
    answer = ask("POST", "/predict", body, content_type=FORM)
    assert (answer.status, answer.reason) == (status, reason)


WHOLE = {
    "text before and after": (FORM, b"preamble\r\n" + form_of([FILE]) + b"epilogue"),
    "without the last line break": (FORM, form_of([FILE]).rstrip()),
    "spaces after the boundary": (
        FORM,
        form_of([FILE]).replace(BOUNDARY.encode() + b"\r\n", b"gingham-boundary \t\r\n"),
    ),
    "a boundary in quotes": (f'Multipart/Form-Data; charset=x; Boundary="{BOUNDARY}"; a=b', form_of([FILE])),
    "names in another case": (FORM, form_of([FILE.replace(b"Content-Disposition", b"CONTENT-DISPOSITION")])),
    "eight fields": (FORM, form_of([*[part("top_k", "1")] * 8, FILE])),
    "the last of two values": (FORM, form_of([part("top_k", "0"), FILE, part("top_k", "1")])),
}


@pytest.mark.parametrize(("kind", "body"), WHOLE.values(), ids=WHOLE)
def test_a_form_that_is_odd_and_whole(kind: str, body: bytes, ask: Asker) -> None:
    answer = ask("POST", "/predict", body, content_type=kind)
    assert answer.status == 200, answer
    assert len(answer.json["predictions"]) == 1


HEADERS = {
    "no content type": ({}, 415, "unsupported_media_type"),
    "another content type": ({"content_type": "text/plain"}, 415, "unsupported_media_type"),
    "a simple form": ({"content_type": "application/x-www-form-urlencoded"}, 415, "unsupported_media_type"),
    "letters of no alphabet": ({"content_type": "\xff" * 100}, 415, "unsupported_media_type"),
    "gzip": ({"content_type": "image/jpeg", "content_encoding": "gzip"}, 415, "unsupported_encoding"),
    "gzip after nothing": ({"content_type": "image/jpeg", "content_encoding": "identity, gzip"}, 415,
                           "unsupported_encoding"),
    "no boundary": ({"content_type": "multipart/form-data"}, 422, "bad_form"),
    "an empty boundary": ({"content_type": 'multipart/form-data; boundary=""'}, 422, "bad_form"),
    "a long boundary": ({"content_type": f"multipart/form-data; boundary={'b' * 1000}"}, 422, "bad_form"),
    "another multipart": ({"content_type": "multipart/mixed; boundary=x"}, 415, "unsupported_media_type"),
}  # fmt: skip


@pytest.mark.parametrize(("headers", "status", "reason"), HEADERS.values(), ids=HEADERS)
def test_headers_that_say_something_else(headers: dict[str, str], status: int, reason: str, ask: Asker) -> None:
    answer = ask("POST", "/predict", PHOTO, **headers)
    assert (answer.status, answer.reason) == (status, reason)


@pytest.mark.parametrize("kind", ["image/jpeg", "application/octet-stream"])
def test_an_image_of_no_bytes_is_empty(kind: str, ask: Asker) -> None:
    answer = ask("POST", "/predict", content_type=kind, content_length="0")
    assert (answer.status, answer.reason) == (422, "empty")


# --- how a body arrives


def test_a_body_in_chunks_is_a_body(ask: Asker) -> None:
    chunks = b"".join(b"%x;a=b\r\n%s\r\n" % (len(c), c) for c in (PHOTO[:10], PHOTO[10:])) + b"0\r\nX: y\r\n\r\n"
    answer = ask(
        "POST", "/predict", chunks, content_type="image/jpeg", content_length=None, transfer_encoding="chunked"
    )
    assert answer.status == 200


def test_who_asks_first_is_told_to_go_on(service: ServiceProcess) -> None:
    with service.connect() as connection:
        connection.sendall(head(service.port, f"Content-Length: {len(PHOTO)}", "Expect: 100-continue"))
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(PHOTO)
        assert read(connection).status == 200


def test_who_asks_first_and_may_not_is_not_told_to_go_on(service: ServiceProcess) -> None:
    with service.connect() as connection:
        connection.sendall(head(service.port, f"Content-Length: {1 << 30}", "Expect: 100-continue"))
        assert read(connection).status == 413


SMUGGLED = {
    "two lengths": ["Content-Length: 5", "Content-Length: 6"],
    "a length and chunks": ["Content-Length: 5", "Transfer-Encoding: chunked"],
    "a length that is none": ["Content-Length: 5x"],
    "a negative length": ["Content-Length: -1"],
    "a length of 5,000 digits": [f"Content-Length: {'9' * 5000}"],
    "an unknown encoding": ["Transfer-Encoding: cow"],
    "a space in a name": ["Content-Length : 5"],
}


@pytest.mark.parametrize("lines", SMUGGLED.values(), ids=SMUGGLED)
def test_a_request_whose_end_is_in_doubt_is_no_request(lines: list[str], service: ServiceProcess, ask: Asker) -> None:
    answer = ask.raw(head(service.port, *lines) + b"hello\r\n\r\n")
    assert (answer.status, answer.reason) == (400, "bad_request")
    assert answer.headers["connection"] == "close"


def head(port: int, *lines: str) -> bytes:
    fixed = ("POST /predict HTTP/1.1", f"Host: 127.0.0.1:{port}", "Content-Type: image/jpeg")
    return "".join(f"{line}\r\n" for line in (*fixed, *lines, "")).encode()


# --- what it may cost


@pytest.fixture(scope="module")
def small(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """A service with a cap of 1 MiB on a body, so that going beyond is quick."""
    flags = ("--max-body", "1", "--max-images", "2", "--no-access-log")
    with running(model, tmp_path_factory.mktemp("small"), *flags) as service:
        yield service


def test_the_cap_is_exact(small: ServiceProcess) -> None:
    ask = Asker(small.port)
    for size, status in ((1 << 20, 200), ((1 << 20) + 1, 413)):
        answer = ask("POST", "/predict", PHOTO + bytes(size - len(PHOTO)), content_type="image/jpeg")
        assert answer.status == status, answer
    assert answer.reason == "too_large"
    assert "1,048,576" in answer.json["error"]["message"]


@pytest.mark.parametrize("chunked", [False, True], ids=["with its length", "in chunks"])
def test_two_hundred_megabytes_are_refused_in_little_memory(chunked: bool, small: ServiceProcess) -> None:
    before = peak(small)
    megabyte = bytes(1 << 20)
    with small.connect() as connection:

        def send() -> None:
            length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {200 << 20}"
            try:
                connection.sendall(head(small.port, length))
                for _ in range(200):
                    connection.sendall(b"100000\r\n%s\r\n" % megabyte if chunked else megabyte)
            except OSError:
                pass  # it need not listen to the end

        sender = threading.Thread(target=send)
        sender.start()
        answer = read(connection)
        connection.shutdown(socket.SHUT_RDWR)
        sender.join()
    assert (answer.status, answer.reason) == (413, "too_large")
    assert peak(small) < before + (16 << 20)
    assert small.idle()


def peak(service: ServiceProcess) -> int:
    """The most memory that the process has had, in bytes."""
    return int(re.findall(r"VmHWM:\s+(\d+)", Path(f"/proc/{service.pid}/status").read_text())[0]) << 10


def test_settings_take_effect_and_are_told(small: ServiceProcess) -> None:
    assert Asker(small.port)("GET", "/model").json["limits"] == {
        "max_body": 1 << 20, "max_images": 2, "max_pixels": 89_478_485,
    }  # fmt: skip
    answer = Asker(small.port).json({"images": [BASE64] * 3})
    assert (answer.status, answer.reason) == (413, "too_many_images")
    assert answer.json["error"]["message"] == "This service takes at most 2 images in one request."
    assert not small.log


@pytest.mark.parametrize("protocol", ["h2c", "websocket"])
def test_the_wish_for_another_protocol_is_passed_over(protocol: str, ask: Asker) -> None:
    headers = {"connection": "Upgrade, HTTP2-Settings", "upgrade": protocol, "http2_settings": "AAMAAABkAAQ"}
    assert ask("POST", "/predict", PHOTO, content_type="image/jpeg", **headers).status == 200
