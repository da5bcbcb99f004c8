"""Metrics: Prometheus can read them, they count what happened, and nobody can make them grow."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from gingham.export import Predictor
from gingham.serve.app import PAGE
from tests.images import makers
from tests.serve.exchange import Answer, Asker, file_part
from tests.serve.process import ServiceProcess

PHOTO = makers.jpeg()
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def read(ask: Asker) -> Samples:
    answer = ask("GET", "/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = list(text_string_to_metric_families(answer.body.decode()))
    assert all(family.documentation for family in families)
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for f in families for sample in f.samples}


def grown(before: Samples, after: Samples) -> dict[str, float]:
    """What was counted between two readings besides the readings."""
    return {
        f"{name}{dict(labels)}": value - before.get((name, labels), 0)
        for (name, labels), value in after.items()
        if name in ("gingham_requests_total", "gingham_images_total")
        and value != before.get((name, labels), 0)
        and ("path", "/metrics") not in labels
    }


def requests(path: str, method: str, status: int) -> str:
    return "gingham_requests_total" + str({"method": method, "path": path, "status": str(status)})


def images(outcome: str) -> str:
    return "gingham_images_total" + str({"outcome": outcome})


def two_and_a_bad_one(ask: Asker) -> Answer:
    return ask.form(file_part(PHOTO), file_part(PHOTO), file_part(b"text"))


COUNTED = {
    "a photo": (
        lambda ask: ask("POST", "/predict", PHOTO, content_type="image/jpeg"),
        {requests("/predict", "POST", 200): 1, images("predicted"): 1},
    ),
    "two and a bad one": (
        two_and_a_bad_one,
        {requests("/predict", "POST", 200): 1, images("predicted"): 2, images("not_an_image"): 1},
    ),
    "a bad one": (
        lambda ask: ask("POST", "/predict", PHOTO[:300], content_type="image/jpeg"),
        {requests("/predict", "POST", 422): 1, images("truncated"): 1},
    ),
    "no image at all": (lambda ask: ask.json({}), {requests("/predict", "POST", 422): 1}),
    "a stranger": (lambda ask: ask("GET", "/model", host="x"), {requests("other", "GET", 421): 1}),
    "a model": (lambda ask: ask("GET", "/v2/models/x"), {requests("/v2/models/{name}", "GET", 404): 1}),
    "a head": (lambda ask: ask("HEAD", "/model"), {requests("/model", "HEAD", 200): 1}),
}


@pytest.mark.parametrize(("do", "expected"), COUNTED.values(), ids=COUNTED)
def test_what_happens_is_counted(do: object, expected: dict[str, float], ask: Asker) -> None:
    assert callable(do)
    before = read(ask)
    do(ask)
    assert grown(before, read(ask)) == expected


def test_gauges_return_to_zero(ask: Asker, service: ServiceProcess) -> None:
    two_and_a_bad_one(ask)
    ask("POST", "/predict", b"", content_type="image/jpeg", content_length=str(1 << 40))
    assert service.idle()
    samples = read(ask)
    assert samples["gingham_images_pending", ()] == samples["gingham_body_bytes_held", ()] == 0
    assert samples["gingham_requests_in_flight", ()] == 1  # the one that asks
    assert samples["gingham_decoders_replaced", ()] == 0


def test_the_model_and_the_process_are_named(ask: Asker, predictor: Predictor) -> None:
    samples = read(ask)
    labels = (("id", predictor.digest), ("run_id", predictor.info.run_id))
    assert samples["gingham_model_info", labels] == 1
    assert samples["process_resident_memory_bytes", ()] > 1 << 20


def test_a_histogram_counts_every_request(ask: Asker) -> None:
    assert ask("GET", "/health/live").status == 200
    samples = read(ask)
    paths = set()
    for (name, labels), value in samples.items():
        if name == "gingham_request_seconds_bucket" and ("le", "+Inf") in labels:
            path = dict(labels)["path"]
            paths.add(path)
            counted = [v for (n, ls), v in samples.items() if n == "gingham_requests_total" and ("path", path) in ls]
            assert value == sum(counted)
            assert samples["gingham_request_seconds_count", (("path", path),)] == value
    assert "/health/live" in paths


def test_whatever_clients_ask_for_the_labels_are_few(ask: Asker) -> None:
    for number in range(20):
        for path in (
            f"/{number}",
            f"/v2/models/{number}",
            f"/model?{number}",
            f'/"{number}%0a%5c',
            f"/assets/{number}",
        ):
            ask("GET", path)
            ask(f"M{number}" if number % 2 else "PATCH", path)
            ask("GET", path, host=str(number))
    labels = [dict(labels) for (name, labels) in read(ask) if name == "gingham_requests_total"]
    assert {each["method"] for each in labels} <= {"GET", "HEAD", "POST", "other"}
    routes = {*ask("GET", "/openapi.json").json["paths"], *PAGE, "/openapi.json"}
    assert {each["path"] for each in labels} <= routes | {"other"}
