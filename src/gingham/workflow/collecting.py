"""The verbs that fetch images from the web: from a list of links, by searching, or a dataset that is known."""

from __future__ import annotations

import os
import shlex
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gingham.collect.attribution import RIGHTS_NOTICE
from gingham.collect.braces import expand
from gingham.collect.downloading import download
from gingham.collect.ledger import Ledger, Retry
from gingham.collect.links import read_links
from gingham.collect.manifests import Manifest, manifest
from gingham.collect.records import Link, Status
from gingham.collect.searching import Batch, SearchReport
from gingham.config import Config
from gingham.errors import UnavailableError, UsageError
from gingham.project import ProjectFolder, write_whole
from gingham.project.digests import file_digest
from gingham.project.files import user_path
from gingham.records import display_path
from gingham.workflow.image_steps import Progress

__all__ = ["CollectResult", "collect_dataset", "collect_search", "collect_urls"]

StrPath = str | os.PathLike[str]
COMMAND = "collect"
LINKS_AT_ONCE = 10_000


@dataclass(frozen=True)
class CollectResult:
    """What became of the links.

    Parameters
    ----------
    dataset : str
        As the project calls it.
    folder : Path
        Where the images lie.
    new : int
        Links that were not known before.
    now : mapping of Status to int
        What became of the links that were fetched by this call.
    all : mapping of Status to int
        The same of all links of the dataset.
    left : int
        Links that are yet to be fetched.
    per_class : mapping of str to int
        Images that are there now, by class folder.
    providers : tuple of SearchReport
        Of a search.
    notice : str
        About rights, the first time; else empty.
    seconds : float
    command : str
        What to type next.
    warnings : tuple of str
    """

    dataset: str
    folder: Path
    new: int
    now: Mapping[Status, int]
    all: Mapping[Status, int]
    left: int
    per_class: Mapping[str, int]
    providers: tuple[SearchReport, ...] = ()
    notice: str = ""
    seconds: float = 0.0
    command: str = ""
    warnings: tuple[str, ...] = field(default=())

    @property
    def exit_status(self) -> int:
        """0, or 3 if no link has ever given an image."""
        return 0 if self.all.get(Status.OK, 0) else 3

    def to_json(self) -> dict[str, Any]:
        """Return the result as one JSON object."""
        return {
            "dataset": self.dataset,
            "folder": display_path(str(self.folder)),
            "new": self.new,
            "now": {status.value: count for status, count in self.now.items()},
            "all": {status.value: count for status, count in self.all.items()},
            "left": self.left,
            "per_class": {display_path(name): count for name, count in self.per_class.items()},
            "providers": [
                {"provider": each.provider, "found": each.found, "kept": each.kept, "problem": each.problem}
                for each in self.providers
            ],
            "notice": self.notice,
            "seconds": self.seconds,
            "command": self.command,
            "warnings": list(self.warnings),
        }


def collect_urls(
    folder: ProjectFolder,
    config: Config,
    file: StrPath,
    into: StrPath | None,
    retry: Retry | None,
    progress: Progress | None,
) -> CollectResult:
    """Fetch the images of a list of labels and addresses; what was fetched before is not fetched again.

    Parameters
    ----------
    folder : ProjectFolder
    config : Config
    file : path
        TSV, CSV or Parquet.
    into : path, optional
        The dataset's folder; default: ``images/`` and the name of the list.
    retry : {"failed", "missing"}, optional
        Also fetch again what gave no image; or what was stored and is no longer there.
    progress : callable, optional

    Raises
    ------
    UsageError, DataError
        If the list cannot be read, or is none.
    UnavailableError
        If the disk is full, or another process is at work in the project.
    """
    path = user_path(file).absolute()
    root = _root(folder, into, path.stem)
    with folder.lock(COMMAND), Ledger(folder.ledger) as ledger:
        work = _Collecting(folder, config, ledger, root, progress)
        work.add_list(path)
        return work.fetch(retry)


def collect_dataset(
    folder: ProjectFolder,
    config: Config,
    name: str,
    into: StrPath | None,
    retry: Retry | None,
    progress: Progress | None,
) -> CollectResult:
    """Fetch a public dataset of which the package knows where its images lie, and the split that its makers gave it.

    Parameters
    ----------
    folder : ProjectFolder
    config : Config
    name : str
    into : path, optional
        The dataset's folder; default: ``images/`` and the name.
    retry : {"failed", "missing"}, optional
    progress : callable, optional

    Raises
    ------
    UsageError
        If none of this name is known.
    UnavailableError
        If the disk is full, or another process is at work in the project.
    """
    known = manifest(name, config.collection.mirror(name))
    root = _root(folder, into, known.name)
    with folder.lock(COMMAND), Ledger(folder.ledger) as ledger:
        work = _Collecting(folder, config, ledger, root, progress)
        work.add_manifest(known)
        result = work.fetch(retry)
        work.write_splits(known)
        return result


def collect_search(
    folder: ProjectFolder,
    config: Config,
    query: str,
    label: str | None,
    into: StrPath | None,
    retry: Retry | None,
    progress: Progress | None,
    environment: Mapping[str, str],
) -> CollectResult:
    """Search for images at the providers of ``collection.providers``, note where each comes from, and fetch them.

    Parameters
    ----------
    folder : ProjectFolder
    config : Config
    query : str
        With braces: ``{red,blue} shirt`` is two queries.
    label : str, optional
        The class, from the braces: ``{1}``.
    into : path, optional
        The dataset's folder; default: ``images/collected``.
    retry : {"failed", "missing"}, optional
    progress : callable, optional
    environment : mapping of str to str
        Where keys are.

    Raises
    ------
    UsageError, ConfigError
        If the query, the label, a provider or a licence cannot be.
    UnavailableError
        If the disk is full, or another process is at work in the project.
    """
    questions = expand(query, label or "")
    root = _root(folder, into, "collected")
    with folder.lock(COMMAND), Ledger(folder.ledger) as ledger:
        work = _Collecting(folder, config, ledger, root, progress)
        reports = work.search(questions, environment)
        return work.fetch(retry, reports)


class _Collecting:
    """One call's way from links to images in class folders."""

    def __init__(
        self, folder: ProjectFolder, config: Config, ledger: Ledger, root: Path, progress: Progress | None
    ) -> None:
        self._folder = folder
        self._config = config
        self._ledger = ledger
        self._root = root
        self._name = folder.name_of(root)
        self._progress = progress
        self._began = time.perf_counter()
        self._new = 0
        self._notice = ""

    def add_list(self, file: Path) -> None:
        digest = file_digest(file)
        if not self._ledger.has_list(self._name, digest):
            self._new = self._ledger.add(
                self._name, self._told(read_links(file), file.stat().st_size if file.is_file() else 0)
            )
            self._ledger.note_list(self._name, digest)

    def _told(self, links: Iterable[Link], size: int) -> Iterator[Link]:
        """Pass links on, and tell how many there have been, and may be in a file of so many bytes."""
        report = self._report("links")
        read = 0
        for done, link in enumerate(links, start=1):
            yield link
            read += len(link.label) + len(link.url) + 2  # as in a row of two columns
            if report and done % LINKS_AT_ONCE == 0:
                report(done, max(done, done * size // read))

    def add_manifest(self, known: Manifest) -> None:
        self._new = self._ledger.add(self._name, known.links())

    def search(self, questions: list[tuple[str, str]], environment: Mapping[str, str]) -> list[SearchReport]:
        import asyncio

        from gingham.collect.network import open_session
        from gingham.collect.providers import create_provider
        from gingham.collect.searching import search

        settings = self._config.collection
        providers = [
            create_provider(name, settings, environment, base=settings.mirror(name) or None)
            for name in settings.providers
        ]
        notice = self._folder.state / "rights-notice"
        if not notice.exists():
            self._notice = RIGHTS_NOTICE

        def keep(batch: Batch) -> None:
            self._new += self._ledger.keep(self._name, batch)

        async def ask() -> list[SearchReport]:
            async with open_session(settings) as session:
                return await search(
                    questions,
                    providers,
                    settings,
                    session,
                    keep,
                    complete=self._ledger.answered(self._name),
                    progress=self._report("search"),
                )

        reports = asyncio.run(ask())
        notice.touch()
        if all(report.problem and not report.found for report in reports) and not self._ledger.counts(self._name):
            raise UnavailableError("No provider could be asked. " + " ".join(report.problem for report in reports))
        return reports

    def fetch(self, retry: Retry | None, reports: list[SearchReport] | None = None) -> CollectResult:
        if retry is not None:
            self._ledger.reopen(self._name, retry, self._root)
        settings = self._config.collection
        allowed = {Status.BLOCKED_ADDRESS: settings.allow_private, Status.NOAI: not settings.noai}
        self._ledger.want_again(self._name, [status for status, now_allowed in allowed.items() if now_allowed])
        now: Mapping[Status, int] = {}
        if self._ledger.counts(self._name).get(None, 0):
            now = download(
                self._ledger, self._name, self._root, self._config.collection, progress=self._report("download")
            )
        counts = self._ledger.counts(self._name)
        return CollectResult(
            dataset=self._name,
            folder=self._root,
            new=self._new,
            now=_sorted(now),
            all=_sorted({status: count for status, count in counts.items() if status is not None}),
            left=counts.get(None, 0),
            per_class=_per_class(self._root),
            providers=tuple(reports or ()),
            notice=self._notice,
            seconds=round(time.perf_counter() - self._began, 3),
            command=_next_command(self._folder, self._root),
            warnings=(self._ledger.warning,) if self._ledger.warning else (),
        )

    def write_splits(self, known: Manifest) -> None:
        """Write the split of a dataset's makers beside its images, unless there is a file of that name."""
        file = self._root / "splits.csv"
        if file.exists():
            return
        sides = known.splits()
        stored = [row for row in self._ledger.rows(self._name, Status.OK) if row.link.url in sides]
        lines = [f"{row.outcome.path},{sides[row.link.url]}\n" for row in stored if row.outcome is not None]
        if lines:
            write_whole(file, "".join(["path,split\n", *lines]))

    def _report(self, step: str) -> Any:
        report = self._progress
        return (lambda done, total: report(step, done, total)) if report else None


def _root(folder: ProjectFolder, into: StrPath | None, name: str) -> Path:
    if into is None:
        return folder.root / "images" / name
    root = folder.dataset(into)
    if root.exists() and not root.is_dir():
        raise UsageError(f"{display_path(str(root))} is not a folder. Give one for the images: --into images/photos")
    return root


def _sorted(counts: Mapping[Status, int]) -> dict[Status, int]:
    return dict(Counter(counts).most_common())


def _per_class(root: Path) -> dict[str, int]:
    from gingham.images import is_strewn

    if not root.is_dir():
        return {}
    classes = sorted((e for e in os.scandir(root) if e.is_dir() and not is_strewn(e.name)), key=lambda e: e.name)
    return {each.name: sum(not name.startswith(".") for name in os.listdir(each)) for each in classes}  # noqa: PTH208  a million names


def _next_command(folder: ProjectFolder, root: Path) -> str:
    here = Path.cwd()
    near = str(root.relative_to(here)) if root.is_relative_to(here) else str(root)
    project = [] if folder.root == here else ["--project", str(folder.root)]
    return shlex.join(["gingham", "check", near, *project])
