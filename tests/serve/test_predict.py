"""POST /predict: what may be sent, what comes back, and that it is what the model says."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest

from gingham.export import Predictor
from gingham.images import network_input
from tests.images import makers
from tests.serve.exchange import Asker, file_part, part
from tests.serve.process import ServiceProcess

PHOTO = makers.jpeg()
BAD = makers.bad_files()


@pytest.fixture(scope="module")
def real(photos: Path) -> list[Path]:
    """Six real photos of as many classes."""
    return sorted((photos / "clothing").glob("*/*.jpg"))[::400]


def base64_of(content: bytes) -> str:
    return base64.b64encode(content).decode()


def sent_as(kind: str, ask: Asker, files: list[bytes], **options: Any) -> list[Any]:
    """Send files in one of the three ways, and return what the service says of each."""
    query = "&".join(f"{name}={value}" for name, value in options.items())
    if kind == "form":
        fields = [part(name, str(value)) for name, value in options.items()]
        answers = [ask.form(*(file_part(file) for file in files), *fields)]
    elif kind == "json":
        answers = [ask.json({"images": [base64_of(file) for file in files], **options})]
    else:
        answers = [ask("POST", f"/predict?{query}", file, content_type=kind) for file in files]
    assert {answer.status for answer in answers} == {200}, answers
    return [prediction for answer in answers for prediction in answer.json["predictions"]]


KINDS = ["form", "json", "image/jpeg", "image/anything; q=1", "APPLICATION/OCTET-STREAM"]


def test_an_option_that_there_is_not_is_refused(ask: Asker) -> None:
    for answer in (
        ask("POST", "/predict?topk=1", PHOTO, content_type="image/jpeg"),
        ask.form(file_part(PHOTO), part("topk", "1")),
        ask.json({"images": [base64.b64encode(PHOTO).decode()], "topk": 1}),
    ):
        assert (answer.status, answer.reason) == (422, "bad_request")
        assert "no option 'topk'. Did you mean `top_k`? Known: " in answer.json["error"]["message"]


@pytest.mark.parametrize("kind", KINDS)
def test_real_photos_get_what_the_model_file_says(
    kind: str, ask: Asker, real: list[Path], predictor: Predictor
) -> None:
    for found, expected in zip(
        sent_as(kind, ask, [path.read_bytes() for path in real]), predictor.predict(real), strict=True
    ):
        assert (found["label"], found["sure"], found["is_outlier"]) == (
            expected.label,
            expected.sure,
            expected.is_outlier,
        )
        assert found["probabilities"] == pytest.approx(expected.probabilities, abs=1e-6)
        assert found["probability"] == max(found["probabilities"].values())
        assert found["outlier_score"] == pytest.approx(expected.outlier_score, abs=1e-6)
        assert list(found["probabilities"]) == list(predictor.labels)
        assert found["error"] is None
        assert "features" not in found


@pytest.mark.parametrize("kind", KINDS)
def test_top_k_gives_the_most_probable_first_and_features_are_there_when_asked_for(
    kind: str, ask: Asker, predictor: Predictor
) -> None:
    (found,) = sent_as(kind, ask, [PHOTO], top_k=2, return_features="true" if kind != "json" else True)
    values = list(found["probabilities"].values())
    assert len(values) == 2
    assert values == sorted(values, reverse=True)
    assert next(iter(found["probabilities"])) == found["label"]
    outputs = predictor.run(network_input(PHOTO, predictor.info.recipe)[None])
    assert found["features"] == pytest.approx(outputs.features[0].tolist(), abs=1e-5)


def test_the_answer_names_model_and_seconds(ask: Asker, predictor: Predictor) -> None:
    answer = ask("POST", "/predict", PHOTO, content_type="image/jpeg").json
    assert answer["model"] == {"id": predictor.digest, "run_id": predictor.info.run_id}
    seconds = answer["seconds"]
    assert set(seconds) == {"total", "queue", "decode", "inference"}
    assert all(0 <= value <= seconds["total"] for value in seconds.values())


@pytest.mark.parametrize("count", [1, 2, 64])
def test_many_files_are_answered_in_their_order(count: int, ask: Asker) -> None:
    answer = ask.form(*(file_part(PHOTO, f"{n}.jpg", name=f"any field {n % 3}") for n in range(count)))
    assert [each["path"] for each in answer.json["predictions"]] == [f"{n}.jpg" for n in range(count)]


NAMES = {
    "plain": (b"a.jpg", "a.jpg"),
    "folders": (b"../../etc/a.jpg", "../../etc/a.jpg"),
    "any script": ("фото 猫.jpg".encode(), "фото 猫.jpg"),
    "percent-encoded, which some browsers do with quotes": (b"a%22b.jpg", "a%22b.jpg"),
    "escaped quotes": (rb"a\"b\\c.jpg", r'a"b\c.jpg'),
    "no UTF-8": (b"caf\xe9.jpg", "caf\N{REPLACEMENT CHARACTER}.jpg"),
    "markup": (b"<img src=x onerror=alert(1)>.jpg", "<img src=x onerror=alert(1)>.jpg"),
    "a formula": (b"=cmd()|x.jpg", "=cmd()|x.jpg"),
    "control characters": (b"a\x00\x1b[31m.jpg", "a\x00\x1b[31m.jpg"),
    "255 bytes": (b"n" * 251 + b".jpg", "n" * 251 + ".jpg"),
    "none": (b"", ""),
}


@pytest.mark.parametrize(("sent", "back"), NAMES.values(), ids=NAMES)
def test_names_come_back_as_they_were_sent(sent: bytes, back: str, ask: Asker) -> None:
    answer = ask.form(file_part(PHOTO, sent))
    assert answer.json["predictions"][0]["path"] == back
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_an_extended_name_is_decoded(ask: Asker) -> None:
    head = b"Content-Disposition: form-data; name=i; filename=\"a.jpg\"; filename*=UTF-8''%e7%8c%ab.jpg\r\n\r\n"
    assert ask.form(head + PHOTO).json["predictions"][0]["path"] == "猫.jpg"


def test_what_is_no_form_has_no_name(ask: Asker) -> None:
    assert ask.json({"images": [base64_of(PHOTO)]}).json["predictions"][0]["path"] is None
    assert ask("POST", "/predict", PHOTO, content_type="image/jpeg").json["predictions"][0]["path"] is None


def test_a_client_library_is_understood(service: ServiceProcess) -> None:
    files = [("image", ("ä.jpg", PHOTO, "image/jpeg")), ("other", ("b.png", makers.png(), "image/png"))]
    with httpx2.Client(base_url=f"http://127.0.0.1:{service.port}", trust_env=False) as client:
        answer = client.post("/predict", files=files, data={"top_k": "1"}).json()
    assert [each["path"] for each in answer["predictions"]] == ["ä.jpg", "b.png"]
    assert [len(each["probabilities"]) for each in answer["predictions"]] == [1, 1]


# --- images that cannot be read


def test_one_bad_image_costs_only_its_own_answer(ask: Asker) -> None:
    answer = ask.form(file_part(PHOTO, "good"), file_part(PHOTO[:500], "half"), file_part(b"", "nothing"))
    good, half, nothing = answer.json["predictions"]
    assert answer.status == 200
    assert good["error"] is None
    assert half["error"].startswith("truncated: ")
    assert nothing["error"].startswith("empty")
    for bad in (half, nothing):
        assert {name: bad[name] for name in ("label", "probability", "probabilities", "outlier_score")} == {
            "label": None, "probability": None, "probabilities": None, "outlier_score": None,
        }  # fmt: skip
        assert bad["sure"] is False
        assert bad["is_outlier"] is False


STATUS = {"too_large": 413, "unsupported_format": 415, "not_an_image": 415}


@pytest.mark.parametrize("name", BAD)
def test_where_every_image_is_bad_the_status_says_why(name: str, ask: Asker) -> None:
    content, reason = BAD[name]
    answer = ask.form(file_part(content, name))
    assert (answer.status, answer.reason) == (STATUS.get(reason, 422), reason)


def test_of_several_bad_images_the_first_gives_the_status(ask: Asker) -> None:
    answer = ask.form(file_part(b"text"), file_part(makers.png_claiming(50_000, 50_000)))
    assert (answer.status, answer.reason) == (415, "not_an_image")


def test_of_ten_thousand_frames_the_first_is_taken_at_once(ask: Asker) -> None:
    answer = ask("POST", "/predict", makers.endless_gif(), content_type="image/gif")
    assert answer.status == 200
    assert answer.json["seconds"]["decode"] < 1


# --- options


REFUSED_OPTIONS = {
    "zero": ("top_k", 0),
    "negative": ("top_k", -1),
    "no number": ("top_k", "abc"),
    "a fraction": ("top_k", 1.5),
    "a number of 5,000 digits": ("top_k", "9" * 5000),
    "empty": ("top_k", ""),
    "no truth": ("return_features", "perhaps"),
}


@pytest.mark.parametrize(("name", "value"), REFUSED_OPTIONS.values(), ids=REFUSED_OPTIONS)
def test_an_option_that_makes_no_sense_is_named(name: str, value: object, ask: Asker) -> None:
    answers = [
        ask("POST", f"/predict?{name}={value}", PHOTO, content_type="image/jpeg"),
        ask.form(file_part(PHOTO), part(name, str(value))),
        ask.json({"images": [base64_of(PHOTO)], name: value}),
    ]
    for answer in answers:
        assert (answer.status, answer.reason) == (422, "bad_request")
        assert name in answer.json["error"]["message"]


def test_more_classes_than_there_are_is_all_of_them(ask: Asker, predictor: Predictor) -> None:
    for top_k in (10**9, 10**400):
        for kind in ("form", "json", "image/jpeg"):
            (found,) = sent_as(kind, ask, [PHOTO], top_k=top_k)
            assert len(found["probabilities"]) == len(predictor.labels)


def test_the_query_goes_before_the_body(ask: Asker) -> None:
    fields = [part("top_k", "2"), part("return_features", "true")]
    answer = ask.form(file_part(PHOTO), *fields, path="/predict?top_k=1&return_features=false")
    assert len(answer.json["predictions"][0]["probabilities"]) == 1
    assert "features" not in answer.json["predictions"][0]


def test_every_number_survives_json(ask: Asker) -> None:
    body = ask.form(file_part(PHOTO), part("return_features", "true")).body
    assert json.loads(body, parse_constant=pytest.fail)
