"""/openapi.json: it is valid, it says everything, and the service keeps to it whatever is asked."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from tests.images import makers
from tests.serve.exchange import Asker
from tests.serve.process import ServiceProcess

PHOTO = makers.jpeg()


@pytest.fixture(scope="module")
def document(service: ServiceProcess) -> Any:
    return Asker(service.port)("GET", "/openapi.json").json


def test_the_service_keeps_to_its_document_whatever_is_asked(service: ServiceProcess, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "run", f"http://127.0.0.1:{service.port}/openapi.json"),
            *("--phases", "examples,coverage,fuzzing", "--max-examples", "30", "--seed", "1"),
            *("--exclude-checks", "positive_data_acceptance"),  # a text at random is no image
            *("--continue-on-failure", "--generation-database", "none", "--warnings", "off", "--no-color"),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "11 selected / 11 total" in done.stdout


def test_the_document_is_valid_and_every_reference_leads_somewhere(document: Any) -> None:
    assert document["openapi"].startswith("3.1")
    assert not list(OPENAPI_31_VALIDATOR.iter_errors(document))
    for reference in found(document, "$ref"):
        place = document
        for step in reference.removeprefix("#/").split("/"):
            place = place[step]


def found(document: Any, key: str) -> list[Any]:
    if isinstance(document, dict):
        here = [document[key]] if isinstance(document.get(key), str) else []
        return here + [each for value in document.values() for each in found(value, key)]
    return [each for value in document for each in found(value, key)] if isinstance(document, list) else []


def test_every_route_is_in_it_with_a_name_of_its_own(document: Any) -> None:
    assert sorted(document["paths"]) == [
        "/health/live", "/health/ready", "/metrics", "/model", "/predict", "/v2", "/v2/health/live",
        "/v2/health/ready", "/v2/models/{name}", "/v2/models/{name}/infer", "/v2/models/{name}/ready",
    ]  # fmt: skip
    operations = [operation for path in document["paths"].values() for operation in path.values()]
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    for operation in operations:
        assert operation["summary"]
        assert {"200", "400", "401", "403", "405", "421", "431", "503"} <= operation["responses"].keys()
        assert "Retry-After" in operation["responses"]["503"]["headers"]
        assert "WWW-Authenticate" in operation["responses"]["401"]["headers"]
        assert "Allow" in operation["responses"]["405"]["headers"]
    assert {"408", "413", "415", "422"} <= document["paths"]["/predict"]["post"]["responses"].keys()
    assert document["components"]["securitySchemes"]["token"]["scheme"] == "bearer"


def test_who_has_read_only_the_document_gets_predictions(document: Any, ask: Asker) -> None:
    content = document["paths"]["/predict"]["post"]["requestBody"]["content"]
    assert {"multipart/form-data", "application/json", "application/octet-stream", "image/jpeg"} <= content.keys()
    schema = content["application/json"]["schema"]
    (example,) = schema["examples"]
    assert example.keys() <= schema["properties"].keys()
    assert schema["properties"]["images"]["items"]["contentEncoding"] == "base64"
    for text in (base64.b64encode(PHOTO).decode(), *example["images"]):
        answer = ask.json(example | {"images": [text]})
        assert answer.status == 200, answer
    (field,) = content["multipart/form-data"]["schema"]["required"]
    assert content["multipart/form-data"]["schema"]["properties"][field]["type"] == "array"


def test_the_example_of_the_protocol_is_answered(document: Any, ask: Asker) -> None:
    body = document["paths"]["/v2/models/{name}/infer"]["post"]["requestBody"]["content"]["application/json"]
    (example,) = body["schema"]["examples"]
    assert ask.json(example, "/v2/models/model/infer").status == 200


def test_every_reason_of_an_error_is_in_it(document: Any, ask: Asker) -> None:
    said = json.dumps(document)
    for answer in (
        ask.json({}),
        ask.json({"images": ["?"]}),
        ask("GET", "/nothing"),
        ask("GET", "/v2/models/other"),
        ask("PUT", "/model"),
        ask("GET", "/model", host="evil.example"),
        ask("GET", "/model", origin="null"),
        ask("POST", "/predict", PHOTO[:300], content_type="image/jpeg"),
        ask("POST", "/predict", b"text", content_type="image/jpeg"),
        ask("POST", "/predict", b"text", content_type="text/plain"),
    ):
        assert f"`{answer.reason}`" in said
