"""From links, searches and manifests to images in class folders, each link with what became of it."""

from __future__ import annotations

import csv
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gingham import Project
from gingham.collect.manifests import manifest
from gingham.errors import UnavailableError, UsageError
from tests.collect.faulty_server import FaultyServer, numbered, says
from tests.collect.search_servers import (
    FakeOpenverse,
    FakeProvider,
    FakeWikimedia,
    openverse_item,
    serving,
    status,
    wikimedia_item,
)
from tests.textures import Outcome

Gingham = Callable[..., Outcome]
PRIVATE = {"collection.allow_private": True, "collection.retries": 0, "collection.contact": "tester@example.org"}


@pytest.fixture
def server() -> Iterator[FaultyServer]:
    with FaultyServer() as running:
        yield running


def mirrors(**providers: FakeProvider) -> dict[str, Any]:
    return {"collection.mirrors": [f"{name}={provider.base}" for name, provider in providers.items()]}


def listed(folder: Path, *links: tuple[str, str]) -> Path:
    file = folder / "links.csv"
    with file.open("w", newline="") as stream:
        csv.writer(stream).writerows([("label", "url"), *links])
    return file


def stored(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_a_list_becomes_a_dataset_and_each_link_ends_with_what_became_of_it(
    server: FaultyServer, tmp_path: Path
) -> None:
    file = listed(
        tmp_path, ("cat", server.url("/image/1")), ("dog", server.url("/image/2")), ("dog", server.url("/404")),
        ("dog", server.url("/html")), ("../dog", server.url("/image/3")), ("cat", "nonsense"),
    )  # fmt: skip
    project = Project(tmp_path, environment={})
    result = project.collect_urls(file, overrides=PRIVATE)
    assert {status.value: count for status, count in result.now.items()} == {
        "ok": 2, "not_found": 1, "html": 1, "bad_label": 1, "bad_url": 1,
    }  # fmt: skip
    assert (result.dataset, result.new, result.left, result.exit_status) == ("images/links", 6, 0, 0)
    assert result.per_class == {"cat": 1, "dog": 1}
    assert len(stored(tmp_path / "images" / "links")) == 2
    told = project.collect_status("images/links", tmp_path / "told.csv")
    assert told.counts == result.all
    with (tmp_path / "told.csv").open(newline="") as stream:
        rows = {row["url"]: row for row in csv.DictReader(stream)}
    assert rows[server.url("/404")]["status"] == "not_found"
    assert len(rows[server.url("/image/1")]["sha256"]) == 64


def test_a_second_call_fetches_only_what_is_asked_for(server: FaultyServer, tmp_path: Path) -> None:
    server.answers = {"/late": says(503, b"")}
    file = listed(tmp_path, ("cat", server.url("/image/1")), ("cat", server.url("/late")))
    project = Project(tmp_path, environment={})
    project.collect_urls(file, overrides=PRIVATE)
    again = project.collect_urls(file, overrides=PRIVATE)
    assert (again.new, again.now) == (0, {})
    assert server.requests == {"/image/1": 1, "/late": 1}
    server.answers = {"/late": says(body=numbered(9))}
    assert {s.value for s in project.collect_urls(file, retry="failed", overrides=PRIVATE).now} == {"ok"}
    assert server.requests == {"/image/1": 1, "/late": 2}
    next((tmp_path / "images" / "links" / "cat").iterdir()).unlink()
    project.collect_urls(file, overrides=PRIVATE)
    assert server.requests.total() == 3, "what a person has removed is not fetched unasked"
    project.collect_urls(file, retry="missing", overrides=PRIVATE)
    assert server.requests.total() == 4
    assert len(stored(tmp_path / "images" / "links")) == 2


def test_a_longer_list_adds_what_is_new(server: FaultyServer, tmp_path: Path) -> None:
    project = Project(tmp_path, environment={})
    first = [("cat", server.url(f"/image/{n}")) for n in range(3)]
    project.collect_urls(listed(tmp_path, *first), overrides=PRIVATE)
    result = project.collect_urls(listed(tmp_path, *first, ("dog", server.url("/image/7"))), overrides=PRIVATE)
    assert (result.new, sum(result.now.values()), result.per_class) == (1, 1, {"cat": 3, "dog": 1})


def test_private_addresses_are_not_asked_without_leave(server: FaultyServer, tmp_path: Path, gingham: Gingham) -> None:
    file = listed(tmp_path, ("cat", server.url("/image/1")))
    refused = gingham("collect", "urls", file, "--project", tmp_path, "--json")
    assert (refused.status, refused.json["now"]) == (3, {"blocked_address": 1})
    assert server.connections == 0
    allowed = gingham("collect", "urls", file, "--project", tmp_path, "--retry", "failed", "--allow-private")
    assert allowed.status == 0
    assert "1  ok  stored" in allowed.out


def test_a_search_asks_all_combinations_and_keeps_who_made_what(server: FaultyServer, tmp_path: Path) -> None:
    openverse = FakeOpenverse([openverse_item(n, url=server.url(f"/image/{n}")) for n in range(4)])
    wikimedia = FakeWikimedia([wikimedia_item(9, {"url": server.url("/image/9"), "thumburl": server.url("/image/9")})])
    project = Project(tmp_path, environment={})
    with serving(openverse, wikimedia):
        given = PRIVATE | mirrors(openverse=openverse, wikimedia=wikimedia)
        result = project.collect_search("{red,blue} fox", "{1}", overrides=given)
        again = project.collect_search("{red,blue} fox", "{1}", overrides=given)
    assert {query["q"] for query in openverse.asked} == {"red fox", "blue fox"}
    assert {report.provider: (report.kept, report.problem) for report in result.providers} == {
        "openverse": (8, ""),
        "wikimedia": (2, ""),
    }
    assert result.per_class == {"blue": 5, "red": 5}
    assert "Licences are what the providers say" in result.notice
    assert (again.notice, again.new, again.now) == ("", 0, {}), "told once, asked once, fetched once"
    credits_file = tmp_path / "credits.csv"
    assert project.collect_attribution("images/collected", credits_file).images == 10
    with credits_file.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert {row["provider"] for row in rows} == {"openverse", "wikimedia"}
    assert all(row["licence"] and row["page"] and row["attribution"] and row["fetched"] for row in rows)
    assert {row["path"] for row in rows} == stored(tmp_path / "images" / "collected")


def test_one_provider_that_fails_never_stops_the_others(server: FaultyServer, tmp_path: Path) -> None:
    openverse = FakeOpenverse([openverse_item(1, url=server.url("/image/1"))])
    wikimedia = FakeWikimedia([], script=[status(403, "<html>no</html>")])
    with serving(openverse, wikimedia):
        result = Project(tmp_path, environment={}).collect_search(
            "fox", overrides=PRIVATE | mirrors(openverse=openverse, wikimedia=wikimedia)
        )
    assert result.per_class == {"fox": 1}
    problems = {report.provider: report.problem for report in result.providers}
    assert problems["openverse"] == ""
    assert "wikimedia" in problems["wikimedia"].lower()


def test_where_no_provider_can_be_asked_all_reasons_are_given(tmp_path: Path) -> None:
    with pytest.raises(UnavailableError, match=r"(?s)No provider.*contact.*FLICKR_API_KEY"):
        Project(tmp_path, environment={}).collect_search(
            "fox", overrides={"collection.providers": ["wikimedia", "flickr"]}
        )


def test_credits_follow_images_that_were_moved(server: FaultyServer, tmp_path: Path) -> None:
    openverse = FakeOpenverse([openverse_item(n, url=server.url(f"/image/{n}")) for n in range(3)])
    project = Project(tmp_path, environment={"GINGHAM_DATASET": "images/collected"})
    with serving(openverse):
        given = PRIVATE | mirrors(openverse=openverse) | {"collection.providers": ["openverse"]}
        project.collect_search("fox", overrides=given)
    root = tmp_path / "images" / "collected"
    moved = sorted(stored(root))[0]
    project.label(moved, "wolf", new_class=True)
    project.label_apply()
    project.check(labels=False)
    project.collect_attribution(output=tmp_path / "CREDITS.md")
    text = (tmp_path / "CREDITS.md").read_text()
    assert f"wolf/{Path(moved).name}" in text
    assert moved not in text


def test_a_known_dataset_is_fetched_the_same_way_with_its_split(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import dataclasses

    from gingham.workflow import collecting

    known = manifest("clothing")
    few = tuple(image for image in known.images if image[0].split("/")[1] in ("hat", "shoes"))[::40]
    monkeypatch.setattr(
        collecting, "manifest", lambda name, mirror: dataclasses.replace(manifest(name, mirror), images=few)
    )
    answers = {
        f"/photos/{path}": says(body=(photos / "clothing" / path.split("/", 1)[1]).read_bytes()) for path, _ in few
    }
    with FaultyServer(answers) as server:
        given = PRIVATE | {"collection.mirrors": [f"clothing={server.url('/photos')}"]}
        project = Project(tmp_path, environment={})
        result = project.collect_dataset("clothing", overrides=given)
        assert result.all == {"ok": len(few)}
        assert sum(server.requests.values()) == len(few)
    sizes = sorted(path.stat().st_size for path in (tmp_path / "images" / "clothing").rglob("*.jpg"))
    assert sizes == sorted(size for _, size in few), "as they came"
    split = project.split("images/clothing")
    assert split.dataset.split == "splits.csv"
    assert split.dataset.images == len(few)
    assert project.collect_attribution("images/clothing", tmp_path / "credits.csv").unknown == 0


def test_the_manifest_names_each_photo_once() -> None:
    known = manifest("clothing")
    assert len({link.url for link in known.links()}) == len(known.images) == 2147
    assert {link.label for link in known.links()} == {
        "dress", "hat", "longsleeve", "outwear", "pants", "shirt", "shoes", "shorts", "skirt", "t-shirt",
    }  # fmt: skip
    assert set(known.splits().values()) == {"train", "val", "test"}
    assert known.size == sum(size for _, size in known.images)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        pytest.param(["urls", "no.tsv"], 2, "cannot be read", id="no list"),
        pytest.param(["urls", "page.html"], 3, "label", id="no list at all"),
        pytest.param(["dataset", "clothes"], 2, "Did you mean `clothing`?", id="nearly a dataset"),
        pytest.param(["search", "--query", "{a,b} {c,d}"], 2, "--label", id="no label"),
        pytest.param(["search", "--query", "fox", "--providers", "google"], 2, "openverse", id="no provider"),
        pytest.param(["search", "--query", "fox", "--licence", "mit"], 2, "cc0", id="no licence"),
        pytest.param(["urls", "links.csv", "--into", "links.csv"], 2, "is not a folder", id="into a file"),
        pytest.param(["urls", "links.csv", "--mirrors", "x"], 2, "`collection.mirrors` cannot be", id="no mirror"),
        pytest.param(["urls", "links.csv", "--per-host", "0"], 2, "a whole number from 1", id="nobody at a time"),
        pytest.param(["attribution", "images/none"], 4, "No image of images/none", id="no credits"),
        pytest.param(["attribution", "-o", "x.pdf"], 2, ".md or .csv", id="no credits file"),
        pytest.param(["status", "-o", "x.pdf"], 2, ".csv", id="no status file"),
    ],
)
def test_what_cannot_be_is_refused(
    tmp_path: Path, gingham: Gingham, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    listed(tmp_path, ("cat", "http://127.0.0.1/"))
    (tmp_path / "page.html").write_text("<html><body>Not found</body></html>")
    refused = gingham("collect", *arguments)
    assert (refused.status, message in refused.err) == (code, True), refused.err


def test_the_status_of_what_was_never_collected(tmp_path: Path, gingham: Gingham) -> None:
    refused = gingham("collect", "status", "images/none", "--project", tmp_path)
    assert (refused.status, "No image" in refused.err) == (4, True)


def test_where_nothing_can_be_reached_no_link_counts_as_failed(tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        port = nobody.getsockname()[1]
        links = [("cat", f"http://127.0.0.1:{port}/{n}.jpg") for n in range(60)]
        project = Project(tmp_path, environment={})
        with pytest.raises(UnavailableError, match=r"None of the first \d+ links could be reached.*online"):
            project.collect_urls(listed(tmp_path, *links), overrides=PRIVATE)
        assert project.collect_status("images/links").left == 60
        few = project.collect_urls(listed(tmp_path, *links[:3]), into="images/few", overrides=PRIVATE)
    assert (few.all, few.exit_status) == ({"connection": 3}, 3)


def test_a_dead_server_costs_little_beside_a_living_one(server: FaultyServer, tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.2", 0))
        port = nobody.getsockname()[1]
        dead = [("cat", f"http://127.0.0.2:{port}/{n}.jpg") for n in range(80)]
        given = PRIVATE | {"collection.retries": 2}
        result = Project(tmp_path, environment={}).collect_urls(
            listed(tmp_path, ("cat", server.url("/image/1")), *dead), overrides=given
        )
    assert result.all == {"connection": 80, "ok": 1}
    assert result.seconds < 30, "after a few in a row, each further one is tried once"


def test_what_is_allowed_now_is_fetched_now(server: FaultyServer, tmp_path: Path) -> None:
    file = listed(tmp_path, ("cat", server.url("/image/1")), ("cat", server.url("/noai")))
    project = Project(tmp_path, environment={})
    assert project.collect_urls(file).all == {"blocked_address": 2}
    assert project.collect_urls(file, overrides=PRIVATE).all == {"ok": 1, "noai": 1}
    assert project.collect_urls(file, overrides=PRIVATE | {"collection.noai": False}).all == {"ok": 2}


def test_a_file_of_the_users_is_not_overwritten(server: FaultyServer, tmp_path: Path) -> None:
    project = Project(tmp_path, environment={})
    project.collect_urls(listed(tmp_path, ("cat", server.url("/image/1"))), overrides=PRIVATE)
    for name, write in {
        "CREDITS.md": lambda file: project.collect_attribution("images/links", file),
        "credits.csv": lambda file: project.collect_attribution("images/links", file),
        "links-of-mine.csv": lambda file: project.collect_status("images/links", file),
    }.items():
        mine = tmp_path / name
        mine.write_text("my own")
        with pytest.raises(UsageError, match="left as it is"):
            write(mine)
        assert mine.read_text() == "my own"
        mine.unlink()
        write(mine)
        write(mine)
