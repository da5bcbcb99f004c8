"""Labels, file names and the name of the model are text: whatever they hold, an answer is one piece of JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import onnx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.images import makers
from tests.serve.exchange import Asker, file_part
from tests.serve.running import running

PHOTO = makers.jpeg()
LABELS = ["</script><img src=x onerror=alert(1)>", '"}, {"label": "\\', "=cmd()|'猫\u202e\u0000\n"]
NAME = '<b>&"é'


@pytest.fixture(scope="module")
def ask(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asker]:
    """A service whose model has been given other names by somebody with ideas."""
    folder = tmp_path_factory.mktemp("labels")
    network = onnx.load(model)
    (metadata,) = (each for each in network.metadata_props if each.key == "gingham")
    metadata.value = json.dumps(json.loads(metadata.value) | {"labels": LABELS})
    onnx.save(network, folder / f"{NAME}.onnx")
    with running(folder / f"{NAME}.onnx", folder) as service:
        yield Asker(service.port)
        assert all(json.loads(line)["event"] for line in service.log.splitlines())


def test_labels_come_back_as_text(ask: Asker) -> None:
    answer = ask.form(file_part(PHOTO, LABELS[0].replace('"', "")))
    (prediction,) = answer.json["predictions"]
    assert list(prediction["probabilities"]) == LABELS
    assert prediction["label"] in LABELS
    assert prediction["path"] == LABELS[0]
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_names_come_back_as_text(ask: Asker) -> None:
    assert ask("GET", "/model").json["info"]["labels"] == LABELS
    assert ask("GET", "/model").json["name"] == NAME
    said = ask("GET", f"/v2/models/{quote(NAME)}")
    assert (said.status, said.json["name"]) == (200, NAME)
    assert ask("GET", "/v2/models/x").reason == "unknown_model"


def test_metrics_stay_readable(ask: Asker) -> None:
    assert list(text_string_to_metric_families(ask("GET", "/metrics").body.decode()))
