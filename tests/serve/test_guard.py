"""What stands in front of every route: Host, Origin, token, and the headers of every answer."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gingham.serve.app import PAGE
from tests.images import makers
from tests.serve.exchange import Answer, Asker
from tests.serve.process import ServiceProcess, within
from tests.serve.running import running
from tests.textures import Outcome

TOKEN = "a-token-of-24-characters"
NAME = "photos.example.org:8000"
PHOTO = makers.jpeg()
Gingham = Callable[..., Outcome]


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="module")
def wide(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServiceProcess]:
    """A service on all addresses, with a token and a name."""
    host = "::" if has_ipv6() else "0.0.0.0"
    folder = tmp_path_factory.mktemp("wide")
    with running(model, folder, "--host", host, "--hosts", NAME, GINGHAM_SERVICE__TOKEN=TOKEN) as service:
        yield service


# --- Host


HOSTS = {
    "its address": ("127.0.0.1:{port}", 200),
    "localhost": ("localhost:{port}", 200),
    "in capitals": ("LocalHost:{port}", 200),
    "the other loopback": ("[::1]:{port}", 200),
    "without its port": ("127.0.0.1", 421),
    "with another port": ("127.0.0.1:1", 421),
    "with half a port": ("127.0.0.1:", 421),
    "another name": ("evil.example:{port}", 421),
    "a name that begins like it": ("127.0.0.1.evil.example:{port}", 421),
    "a name that ends like it": ("evil.localhost:{port}", 421),
    "with a dot": ("localhost.:{port}", 421),
    "with a user": ("localhost:{port}@evil.example", 421),
    "another address of this machine": ("0.0.0.0:{port}", 421),
    "an address as a number": ("2130706433:{port}", 421),
    "two": ("localhost:{port}, evil.example", 421),
    "bytes": ("\xff\x80", 421),
    "nothing": ("", 421),
    "missing": (None, 421),
}


@pytest.mark.parametrize(("host", "status"), HOSTS.values(), ids=HOSTS)
@pytest.mark.parametrize("path", ["/model", "/health/live", "/", "/nothing"])
def test_it_answers_only_to_its_own_names(path: str, host: str | None, status: int, ask: Asker) -> None:
    answer = ask("GET", path, host=host.format(port=ask.port) if host is not None else None)
    if status == 421:
        assert (answer.status, answer.reason) == (421, "unknown_host")
    else:
        assert answer.status == (404 if path == "/nothing" else 200)


def test_a_header_that_decides_something_may_not_come_twice(ask: Asker) -> None:
    host = f"Host: 127.0.0.1:{ask.port}\r\n"
    for second in (host, "Host: evil.example\r\n", "Origin: null\r\nOrigin: null\r\n"):
        answer = ask.raw(f"GET /model HTTP/1.1\r\n{host}{second}\r\n".encode(), "GET")
        assert (answer.status, answer.reason) == (400, "bad_request")


def test_of_an_absolute_target_the_header_counts(ask: Asker) -> None:
    for host, status in ((f"127.0.0.1:{ask.port}", 200), ("evil.example", 421)):
        assert ask("GET", f"http://{host}/model", host=host).status == status


WIDE_HOSTS = {
    "a configured name": (NAME, 200),
    "in capitals": (NAME.upper(), 200),
    "without its port": (NAME.partition(":")[0], 421),
    "the address at which it is asked": ("127.0.0.1:{port}", 200),
    "localhost": ("localhost:{port}", 200),
    "all addresses": ("[::]:{port}", 421),
    "as one of version 6": ("[::ffff:127.0.0.1]:{port}", 421),
    "another one": ("10.0.0.1:{port}", 421),
}


@pytest.mark.parametrize(("host", "status"), WIDE_HOSTS.values(), ids=WIDE_HOSTS)
def test_on_all_addresses_it_answers_to_the_one_it_is_asked_at(host: str, status: int, wide: ServiceProcess) -> None:
    assert Asker(wide.port)("GET", "/health/live", host=host.format(port=wide.port)).status == status


if has_ipv6():

    def test_version_6_is_an_address_like_any_other(wide: ServiceProcess) -> None:
        for host, status in ((f"[::1]:{wide.port}", b"200"), (f"[::2]:{wide.port}", b"421")):
            with socket.create_connection(("::1", wide.port), timeout=10) as connection:
                connection.sendall(f"GET /health/live HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
                assert connection.recv(12).split()[1] == status


# --- Origin


FOREIGN = {
    "another site": {"origin": "http://evil.example"},
    "no site": {"origin": "null"},
    "another port": {"origin": "http://127.0.0.1:1"},
    "another loopback": {"origin": "http://localhost:{port}"},
    "more than an origin": {"origin": "http://127.0.0.1:{port}/"},
    "no scheme": {"origin": "127.0.0.1:{port}"},
    "another scheme": {"origin": "file://127.0.0.1:{port}"},
    "an empty one": {"origin": ""},
    "a page of another site": {"sec_fetch_site": "cross-site"},
    "a page of a neighbour": {"sec_fetch_site": "same-site"},
    "a frame": {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "iframe"},
    "an image": {"sec_fetch_site": "cross-site", "sec_fetch_mode": "no-cors", "sec_fetch_dest": "image"},
    "a lie": {"origin": "http://evil.example", "sec_fetch_site": "same-origin"},
}
OWN = {
    "no browser": {},
    "its own page": {"origin": "http://127.0.0.1:{port}", "sec_fetch_site": "same-origin"},
    "its own page behind TLS": {"origin": "https://127.0.0.1:{port}"},
    "the address bar": {"sec_fetch_site": "none", "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"},
}


def with_port(headers: dict[str, str], port: int) -> dict[str, str]:
    return {name: value.format(port=port) for name, value in headers.items()}


@pytest.mark.parametrize("headers", FOREIGN.values(), ids=FOREIGN)
def test_pages_of_others_may_not_call_it(headers: dict[str, str], ask: Asker) -> None:
    headers = with_port(headers, ask.port)
    for answer in (
        ask("GET", "/model", **headers),
        ask("GET", "/", **headers),
        ask("GET", "/health/live", **headers),
        ask("OPTIONS", "/predict", **headers, access_control_request_method="POST"),
        ask("POST", "/predict", PHOTO, content_type="image/jpeg", **headers),
    ):
        assert (answer.status, answer.reason) == (403, "foreign_origin")
        assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("headers", OWN.values(), ids=OWN)
def test_others_may(headers: dict[str, str], ask: Asker) -> None:
    answer = ask("POST", "/predict", PHOTO, content_type="image/jpeg", **with_port(headers, ask.port))
    assert answer.status == 200


def test_a_link_may_lead_to_it_and_a_form_may_not(ask: Asker) -> None:
    link = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}
    assert ask("GET", "/", **link).status == 200
    assert ask("POST", "/predict", PHOTO, content_type="image/jpeg", **link).status == 403


# --- token


TOKENS = {
    "none": (None, 401),
    "empty": ("", 401),
    "the scheme alone": ("Bearer", 401),
    "the scheme and nothing": ("Bearer ", 401),
    "another": ("Bearer another-token-of-20", 401),
    "the beginning": (f"Bearer {TOKEN[:-1]}", 401),
    "more": (f"Bearer {TOKEN}x", 401),
    "capitals": (f"Bearer {TOKEN.upper()}", 401),
    "no scheme": (TOKEN, 401),
    "another scheme": (f"Basic {TOKEN}", 401),
    "another alphabet": ("Bearer \xe9\xff" + TOKEN, 401),
    "two tokens": (f"Bearer {TOKEN} {TOKEN}", 401),
    "right": (f"Bearer {TOKEN}", 200),
    "right, and the scheme in small letters": (f"bearer {TOKEN}", 200),
    "right, with more space": (f"Bearer   {TOKEN}", 200),
}
SECRET = ["/model", "/metrics", "/openapi.json", "/v2", "/v2/models/model"]
OPEN = [*PAGE, "/health/live", "/health/ready", "/v2/health/live", "/v2/health/ready"]


@pytest.mark.parametrize(("authorization", "status"), TOKENS.values(), ids=TOKENS)
def test_only_the_token_opens(authorization: str | None, status: int, wide: ServiceProcess) -> None:
    ask = Asker(wide.port, {"authorization": authorization} if authorization is not None else None)
    for answer in (*(ask("GET", path) for path in SECRET), ask("POST", "/predict", PHOTO, content_type="image/jpeg")):
        assert answer.status == status
        if status == 401:
            assert answer.reason == "unauthorized"
            assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", OPEN)
def test_probes_and_the_page_need_no_token(path: str, wide: ServiceProcess) -> None:
    assert Asker(wide.port)("GET", path).status == 200


ROUNDABOUT = ["/nothing", "//model", "/model/", "/health/live/../../model", "/health/live/%2e%2e/%2e%2e/model",
              "/./model", "/%6dodel", "/health/live;/model", "/health/live%00/model", "/MODEL",
              "/assets/../model"]  # fmt: skip


@pytest.mark.parametrize("path", ROUNDABOUT)
def test_no_roundabout_way_leads_past_the_token(path: str, wide: ServiceProcess) -> None:
    assert Asker(wide.port)("GET", path).status == 401


def test_the_token_is_told_nowhere(wide: ServiceProcess) -> None:
    ask = Asker(wide.port, {"authorization": f"Bearer {TOKEN}"})
    ask("GET", f"/model?token={TOKEN}")
    ask("GET", f"/{TOKEN}")
    for path in (*SECRET, *OPEN, "/nothing"):
        assert TOKEN.encode() not in ask("GET", path).body
    assert TOKEN not in wide.log
    assert wide.children()
    for child in wide.children():
        inherited = Path(f"/proc/{child}/environ").read_bytes()
        assert b"GINGHAM_" not in inherited
        assert TOKEN.encode() not in inherited
    for process in (wide.pid, *wide.children()):
        assert TOKEN.encode() not in Path(f"/proc/{process}/cmdline").read_bytes()


UNPROTECTED = {
    "no token": ("0.0.0.0", "", "GINGHAM_SERVICE__TOKEN"),
    "no token for version 6": ("::", "", "GINGHAM_SERVICE__TOKEN"),
    "no token for a name": ("photos.example.org", "", "GINGHAM_SERVICE__TOKEN"),
    "no token for an address": ("10.0.0.1", "", "GINGHAM_SERVICE__TOKEN"),
    "a short token": ("0.0.0.0", "short", "16 characters"),
    "a token with spaces": ("127.0.0.1", "a token of 24 characters", "without spaces"),
    "a token of another alphabet": ("127.0.0.1", "schlüssel-des-hauses", "ASCII"),
}


@pytest.mark.parametrize(("host", "token", "message"), UNPROTECTED.values(), ids=UNPROTECTED)
def test_nothing_listens_where_anybody_could_ask(
    host: str, token: str, message: str, gingham: Gingham, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GINGHAM_SERVICE__TOKEN", token)
    monkeypatch.setattr("socket.socket.bind", lambda *_: pytest.fail("a port was opened"))
    outcome = gingham("serve", tmp_path / "there-is-no-such-model.onnx", "--port", 0, "--host", host)
    assert outcome.status == 2
    assert message in outcome.err
    assert not token or token not in outcome.err


# --- every answer


def everything(ask: Asker) -> dict[str, Answer]:
    return {
        "200": ask("GET", "/model"),
        "the page": ask("GET", "/"),
        "the document": ask("GET", "/openapi.json"),
        "a prediction": ask("POST", "/predict", PHOTO, content_type="image/jpeg"),
        "403": ask("GET", "/model", origin="null"),
        "404": ask("GET", "/nothing"),
        "405": ask("DELETE", "/model"),
        "413": ask("POST", "/predict", b"", content_type="image/jpeg", content_length=str(1 << 40)),
        "415": ask("POST", "/predict", b"text", content_type="text/plain"),
        "421": ask("GET", "/model", host="evil.example"),
        "422": ask("POST", "/predict?top_k=0", PHOTO, content_type="image/jpeg"),
    }


def test_every_answer_carries_the_headers_that_protect(ask: Asker) -> None:
    answers = everything(ask)
    for name, answer in answers.items():
        assert answer.status == (int(name) if name.isdecimal() else 200)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["cache-control"] == "no-store"
        policy = answer.headers["content-security-policy"].split("; ")
        assert "default-src 'none'" in policy
        assert "script-src 'self'" in policy
        assert "frame-ancestors 'none'" in policy
        assert not {"server", "x-powered-by", "set-cookie"} & answer.headers.keys()
    assert len({answer.headers["x-request-id"] for answer in answers.values()}) == len(answers)


def test_what_is_no_http_is_refused_in_json(ask: Asker) -> None:
    for content in (
        b"hello\r\n\r\n",
        b"GET /model HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n",
    ):
        answer = ask.raw(content)
        assert (answer.status, answer.reason) == (400, "bad_request")
    answer = ask("GET", "/model", x_large="a" * 200_000)
    assert (answer.status, answer.reason) == (431, "too_large")


# --- routes


KNOWN = {
    **dict.fromkeys([*PAGE, "/model", "/health/live", "/health/ready", "/metrics", "/openapi.json"], "GET"),
    **dict.fromkeys(["/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/model"], "GET"),
    **dict.fromkeys(["/predict", "/v2/models/model/infer"], "POST"),
}


@pytest.mark.parametrize("path", KNOWN)
def test_other_methods_are_refused_with_those_that_are_allowed(path: str, ask: Asker) -> None:
    for method in {"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} - {KNOWN[path]}:
        answer = ask(method, path)
        assert (answer.status, answer.reason) == (405, "method_not_allowed"), method
        assert KNOWN[path] in answer.headers["allow"].split(", ")
        assert KNOWN[path] in answer.json["error"]["message"]


@pytest.mark.parametrize("path", [path for path, method in KNOWN.items() if method == "GET"])
def test_head_is_a_get_without_its_body(path: str, ask: Asker) -> None:
    head, get = ask("HEAD", path), ask("GET", path)
    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-type"] == get.headers["content-type"]


NOWHERE = ["/nothing", "/predict/", "/model/", "//", "//model", "/../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd",
           "/assets/../page.html", "/assets/%2e%2e/page.html", "/assets/..%2f..%2fapp.py", "/assets/app.py", "/assets/",
           "/assets/page.css%00.png", "/model%00", "/page.html", "/docs", "/redoc", "/\\etc\\passwd", "/%ff%fe",
           "/v2/models", "/v2/models/../../model", "/PREDICT", "/model%0d%0aX-A:%20b"]  # fmt: skip


@pytest.mark.parametrize("path", NOWHERE)
def test_what_is_not_there_is_not_found(path: str, ask: Asker) -> None:
    answer = ask("GET", path)
    assert (answer.status, answer.reason) == (404, "not_found")
    assert "location" not in answer.headers


# --- access log


def test_the_access_log_has_a_line_of_json_for_each_request(service: ServiceProcess, ask: Asker) -> None:
    answers = {
        "GET /model": ask("GET", "/model?a-secret=in-the-query", user_agent="a\tb"),
        "POST /predict": ask("POST", "/predict?top_k=1", PHOTO, content_type="image/jpeg"),
        "GET other": ask("GET", "/nothing%0a%1b%5b31m{}"),
        "other /model": ask("PATCH", "/model"),
        "HEAD /model": ask("HEAD", "/model"),
        "GET /v2/models/{name}": ask("GET", "/v2/models/%0a%1b"),
    }
    ids = {answer.headers["x-request-id"] for answer in answers.values()}
    assert within(5, lambda: ids <= {line["id"] for line in service.events("request")})  # a line follows its answer
    lines = {line["id"]: line for line in service.events("request")}
    common = {"time", "event", "id", "client", "method", "path", "status", "seconds", "bytes"}
    for name, answer in answers.items():
        line = lines[answer.headers["x-request-id"]]
        assert f"{line['method']} {line['path']}" == name
        assert line["status"] == answer.status
        assert line["bytes"] == len(answer.body)
        assert line["client"] == "127.0.0.1"
        assert set(line) == common | ({"images", "model"} if name == "POST /predict" else set())
    assert "in-the-query" not in service.log
    assert "\x1b" not in service.log
