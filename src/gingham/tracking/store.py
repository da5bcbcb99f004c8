"""The runs of a project: one folder each, which is the truth, and an index over them that can always be made again."""

from __future__ import annotations

import contextlib
import datetime
import errno
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from gingham.errors import UnavailableError, UsageError, did_you_mean
from gingham.project.files import disk_errors, sync_folder
from gingham.tracking.index import RECORD_NAME, BrokenRunError, RunIndex, RunSummary, read_record
from gingham.tracking.record import RUN_ID, RunRecord

if TYPE_CHECKING:
    from filelock import BaseFileLock

__all__ = ["RunListing", "RunStore", "RunSummary", "StagedRun"]

_PROBE = ".probe-"
_PROBE_SECONDS = 60
"""An empty folder that is renamed to see whether that is possible lives for an instant; an older one is a leftover."""


@dataclass(frozen=True, slots=True)
class RunListing:
    """The runs of a project, newest first, and a sentence for each folder that was passed over."""

    runs: tuple[RunSummary, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StagedRun:
    """A run in the making: its reserved name, and the folder to write its files into."""

    run_id: str
    path: Path


class RunStore:
    """Publish runs whole, and find them again.

    A run appears in ``runs_dir`` by one rename, durable and complete, or not at all. The index is brought up to
    date from the folders whenever it is asked, so it may be deleted, stale or damaged, and so may the folders.

    Parameters
    ----------
    runs_dir : Path
        Holds one folder per run; need not exist yet.
    index_path : Path
        A file of the store's own.
    staging_dir : Path, optional
        Where runs are made; by default ``staging`` beside the index.
    """

    def __init__(self, runs_dir: Path, index_path: Path, staging_dir: Path | None = None) -> None:
        self.runs_dir = runs_dir
        self.index_path = index_path
        self.staging_dir = index_path.parent / "staging" if staging_dir is None else staging_dir

    def folder(self, run_id: str) -> Path:
        """Return where the files of a run lie."""
        return self.runs_dir / run_id

    def new_run_id(self, now: datetime.datetime | None = None) -> str:
        """Draw a name that no run has, such as ``20261124-153012-ab12``; names sort by time (UTC).

        Only `stage` also reserves it.
        """
        moment = (now or datetime.datetime.now(datetime.UTC)).astimezone(datetime.UTC)
        while True:
            run_id = f"{moment:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
            if not self.folder(run_id).exists() and not any((root / run_id).exists() for root in self._roots()):
                return run_id

    @contextlib.contextmanager
    def stage(self, now: datetime.datetime | None = None) -> Iterator[StagedRun]:
        """Reserve a name and give a folder to make the run in; what was not published is removed at the end.

        A kernel lock marks the folder as in use until then, however the process ends. Leftovers of processes that
        were killed are removed first.

        Raises
        ------
        UnavailableError
            If the project cannot be written.
        """
        from filelock import FileLock, Timeout

        with disk_errors(self.runs_dir):
            self.runs_dir.mkdir(parents=True, exist_ok=True)
            self.clean_leftovers()
            root = self._usable_root()
            while True:
                run_id = self.new_run_id(now)
                path = root / run_id
                lock = FileLock(_lock_file(path), timeout=0, thread_local=False)
                try:
                    lock.acquire()
                    path.mkdir()
                except (Timeout, FileExistsError):
                    lock.release()
                    continue
                except BaseException:
                    lock.release()
                    raise
                # The other order would let a process publish this name between the look and the reservation.
                if not self.folder(run_id).exists():
                    break
                _discard(path, lock)
        try:
            yield StagedRun(run_id, path)
        finally:
            _discard(path, lock)

    def publish(self, staging_dir: Path, record: RunRecord) -> RunRecord:
        """Write ``run.json`` into a staged folder and move the folder, durably, to its final name.

        Parameters
        ----------
        staging_dir : Path
            Holds the run's files, in their final layout.
        record : RunRecord
            Its ``files`` are replaced by what lies there.

        Returns
        -------
        RunRecord
            As published.

        Raises
        ------
        UsageError
            If a run of this name is there already.
        UnavailableError
            If the disk is full or the folder cannot be written; nothing appears under the final name.
        """
        final = self.folder(record.run_id)
        if final.exists():
            raise UsageError(f"The run {record.run_id} is there already: {final}")
        with disk_errors(final):
            names = [path.relative_to(staging_dir).as_posix() for path in staging_dir.rglob("*") if path.is_file()]
            record = RunRecord.model_validate({**record.to_dict(), "files": sorted({*names, RECORD_NAME})})
            (staging_dir / RECORD_NAME).write_text(record.to_json(), encoding="utf-8")
            _sync_tree(staging_dir)
            self.runs_dir.mkdir(parents=True, exist_ok=True)
            staging_dir.rename(final)
            sync_folder(self.runs_dir)
        self._index().refresh()
        return record

    def list(self, *, status: str | None = None, limit: int | None = None) -> RunListing:
        """Return the runs, newest first.

        Parameters
        ----------
        status : {"finished", "failed"}, optional
            Only these.
        limit : int, optional
            At most so many.
        """
        runs, warnings = self._index().summaries()
        chosen = [run for run in runs if status is None or run.status == status]
        return RunListing(tuple(chosen[:limit]), warnings)

    def records(self) -> tuple[tuple[RunRecord, ...], tuple[str, ...]]:
        """Return the record of every run, newest first, and a sentence for each folder that was passed over.

        It looks over the folders once and reads each record once; what vanishes meanwhile is passed over.
        """
        listing = self.list()
        records, warnings = [], [*listing.warnings]
        for run in listing.runs:
            try:
                records.append(read_record(self.folder(run.run_id)))
            except BrokenRunError as error:
                warnings.append(str(error))
        return tuple(records), tuple(warnings)

    def get(self, run: str) -> RunRecord:
        """Return the record of one run.

        Parameters
        ----------
        run : str
            Its name, the beginning of its name if only one run begins so, or ``latest``: the newest finished one.

        Raises
        ------
        UsageError
            If several runs begin so.
        UnavailableError
            If there is no such run, or its record cannot be read.
        """
        listing = self.list()
        known = [each.run_id for each in listing.runs]
        if run == "latest":
            finished = [each.run_id for each in listing.runs if each.status == "finished"]
            if not finished:
                raise UnavailableError(
                    f"There is no finished run in {self.runs_dir} yet. Type `gingham run` to make one."
                )
            return self._read(finished[0])
        if run in known:
            return self._read(run)
        matches = [run_id for run_id in known if run and run_id.startswith(run)]
        if len(matches) == 1:
            return self._read(matches[0])
        if matches:
            shown = ", ".join(matches[:5]) + (", …" if len(matches) > 5 else "")
            raise UsageError(f"{len(matches)} runs begin with `{run}`: {shown}. Type more of the name.")
        broken = [warning for warning in listing.warnings if run and f"/{run}" in warning]
        if broken:
            raise UnavailableError(f"There is no run `{run}`. {broken[0]}")
        if not known:
            raise UnavailableError(
                f"There is no run `{run}`: {self.runs_dir} holds none yet. Type `gingham run` to make one."
            )
        near = did_you_mean(run, known)
        raise UnavailableError(f"There is no run `{run}`.{near} Type `gingham runs list` to see them all.")

    def latest_finished(self, parameters_fingerprint: str, data_fingerprint: str) -> RunRecord | None:
        """Return the newest finished run of these parameters on this data, all of whose files are still there."""
        for run_id in self._index().finished(parameters_fingerprint, data_fingerprint):
            try:
                record = read_record(self.folder(run_id))
            except BrokenRunError:  # vanished since the index looked
                continue
            if all((self.folder(run_id) / name).is_file() for name in record.files):
                return record
        return None

    def clean_leftovers(self) -> tuple[str, ...]:
        """Remove the staged folders that no living process holds; return their names."""
        from filelock import FileLock, Timeout

        removed = []
        for root in self._roots():
            for path in sorted({file.with_suffix("") for file in root.glob("*")}):
                if RUN_ID.fullmatch(path.name) is None:
                    continue
                lock = FileLock(_lock_file(path), timeout=0, thread_local=False)
                try:
                    lock.acquire()
                except Timeout:
                    continue
                _discard(path, lock)
                removed.append(path.name)
        for folder in (self.staging_dir, self.runs_dir):
            for probe in folder.glob(f"{_PROBE}*"):
                with contextlib.suppress(OSError):  # in use by, or removed by, another process
                    if time.time() - probe.stat().st_mtime > _PROBE_SECONDS:
                        probe.rmdir()
        return tuple(removed)

    def _read(self, run_id: str) -> RunRecord:
        try:
            return read_record(self.folder(run_id))
        except BrokenRunError as error:
            raise UnavailableError(f"{error} Type `gingham runs list` to see the others.") from error

    def _index(self) -> RunIndex:
        return RunIndex(self.index_path, self.runs_dir)

    def _roots(self) -> tuple[Path, Path]:
        return self.staging_dir, self.runs_dir / ".staging"

    def _usable_root(self) -> Path:
        """Return the first staging root from which a folder can be renamed into ``runs_dir``."""
        beside, within = self._roots()
        beside.mkdir(parents=True, exist_ok=True)
        probe = f"{_PROBE}{secrets.token_hex(8)}"
        (beside / probe).mkdir()
        try:
            (beside / probe).rename(self.runs_dir / probe)
        except OSError as error:
            (beside / probe).rmdir()
            if error.errno != errno.EXDEV:
                raise
            within.mkdir(exist_ok=True)
            return within
        (self.runs_dir / probe).rmdir()
        return beside


def _lock_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


def _discard(path: Path, lock: BaseFileLock) -> None:
    """Remove a staged folder and its lock file; what resists is left to the next cleaning."""
    shutil.rmtree(path, ignore_errors=True)
    _lock_file(path).unlink(missing_ok=True)
    lock.release()


def _sync_tree(root: Path) -> None:
    for folder, _, names in os.walk(root, topdown=False):
        for name in names:
            with (Path(folder) / name).open("rb") as file:
                os.fsync(file.fileno())
        sync_folder(Path(folder))
