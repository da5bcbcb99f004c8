"""The page of check: findings become sections, each with what it means and what to type."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gingham.curate.copies import Copies, Copy
from gingham.curate.issues import ISSUES
from gingham.errors import ImageError
from gingham.evaluate.check_page import MOST_CARDS, MOST_GROUPS, MOST_IN_GROUP, Card, Section, render_check
from gingham.evaluate.wording import count_of, percent
from gingham.images import open_bytes, thumbnail_jpeg
from gingham.records import ImageFile, display_path

if TYPE_CHECKING:
    from gingham.workflow.check_result import CheckResult

__all__ = ["TITLES", "check_page", "thumbnail"]

THUMBNAIL_SIDE = 192

TITLES = {
    "suspect_label": "Suspect labels",
    "label_conflict": "The same picture under two labels",
    "exact_duplicate": "Exact copies",
    "near_duplicate": "Near-duplicates",
    "lookalike": "Lookalikes",
    "leak": "Copies across the split",
    "dark": "Very dark",
    "bright": "Very bright",
    "blurred": "Blurred",
    "low_information": "Little to see",
    "odd_size": "Odd sizes",
    "odd_aspect_ratio": "Odd aspect ratios",
}
MEANINGS = {
    "suspect_label": "Models that have not seen the image, and the images most like it, agree on another class. "
    "Look, and correct what is wrong: the likeliest to be wrong come first.",
    "label_conflict": "Of the same bytes one label must be wrong: while both stand, they neither train nor test. "
    "Near-duplicates may show just the difference. A label, or an exclusion, counts for every file of the same bytes.",
    "exact_duplicate": "Files of the same bytes. They stay on one side of the split, and add nothing to the training.",
    "near_duplicate": "The same picture re-encoded, resized or touched up. They stay on one side of the split.",
    "lookalike": "Nearly the same to the network: crops, mirror images, shots of one scene. The split does not keep "
    "them together unless you say so (splits.group_by).",
    "leak": "Test images of which a copy trains: for them the test is too easy. Accuracy is stated with and without.",
    "dark": "Can you still tell what it shows?",
    "bright": "Can you still tell what it shows?",
    "blurred": "Can you still tell what it shows?",
    "low_information": "A blank wall, an empty scan, a single colour: is there anything of the class in it?",
    "odd_size": "Far smaller or larger than the rest: a thumbnail, an icon, a scan?",
    "odd_aspect_ratio": "Far wider or taller than the rest: the centre crop may miss what matters.",
}


def check_page(result: CheckResult, max_pixels: int) -> str:
    """Write the page of a result."""
    return render_check(
        list(_Sections(result, max_pixels).all()),
        dataset=Path(result.dataset).name,
        images=len(result.table.files),
        classes=sorted(result.per_class.items(), key=lambda item: (-item[1], item[0])),
        fine=_not_found(result),
        notes=result.notes,
        table=result.csv.name,
    )


def _not_found(result: CheckResult) -> list[str]:
    counts = result.table.counts()
    fine = [] if result.skipped else ["files that cannot be read"]
    fine += [TITLES[name].lower() for name in ISSUES if counts.get(name) == 0]
    fine += [] if result.shortcuts else ["shortcuts"]
    return fine if result.balance.small or result.balance.imbalance else [*fine, "classes too small or out of balance"]


class _Sections:
    def __init__(self, result: CheckResult, max_pixels: int) -> None:
        self._result = result
        self._max_pixels = max_pixels

    def all(self) -> Iterator[Section]:
        result = self._result
        counts = result.table.counts()
        if result.skipped:
            yield self._unreadable()
        for name in ISSUES:
            if counts.get(name):
                yield self._of_issue(name, counts[name])
        if result.shortcuts:
            yield self._shortcuts()
        if result.balance.small or result.balance.imbalance:
            yield self._balance()

    def _unreadable(self) -> Section:
        reasons = Counter(item.reason.value for item in self._result.skipped)
        rows = [
            (display_path(item.path), f"{item.reason.value}{': ' + item.detail if item.detail else ''}")
            for item in self._result.skipped[:MOST_CARDS]
        ]
        words = ", ".join(f"{count:,} {reason}" for reason, count in reasons.most_common())
        lead = f"They have no part in anything: {words}."
        return Section(
            "unreadable",
            "Files that cannot be read",
            len(self._result.skipped),
            "file",
            lead,
            rows=rows,
            total=len(self._result.skipped),
        )

    def _of_issue(self, name: str, count: int) -> Section:
        result = self._result
        title, lead = TITLES[name], MEANINGS[name]
        if name == "label_conflict":
            doubtful = [each for each in result.copies if each.under_other_labels]
            groups = [
                [self._card(each.keep, facts=(_pixels(each.keep),)), *map(self._copy, each.under_other_labels)]
                for each in doubtful[:MOST_GROUPS]
            ]
            command = result.typed.label(doubtful[0].keep.path)
            return Section(name, title, count, "image", lead, (command,), groups=groups, total=len(doubtful))
        if name in ("exact_duplicate", "near_duplicate"):
            exact = name == "exact_duplicate"
            found = [each for each in result.copies if any(copy.exact == exact for copy in each.others)]
            groups = [
                [self._kept(each), *(self._copy(copy) for copy in each.others if copy.exact == exact)][:MOST_IN_GROUP]
                for each in found[:MOST_GROUPS]
            ]
            listing = (result.typed.command("dedupe"), result.typed.command("dedupe", "--apply"))
            return Section(name, title, count, "image", lead, listing, groups=groups, total=len(found))
        if name == "lookalike":
            files = {file.path: file for file in result.table.files}
            groups = [
                [self._card(files[one]), self._card(files[other], facts=(f"similarity {similarity:.3f}",))]
                for one, other, similarity in result.lookalikes[:MOST_GROUPS]
            ]
            return Section(name, title, count, "image", lead, groups=groups, total=len(result.lookalikes))
        rows = result.table.worst(name)[:MOST_CARDS].tolist()
        commands = self._corrections(rows) if name == "suspect_label" else ()
        cards = [self._of_row(name, row) for row in rows]
        return Section(name, title, count, "image", lead, commands, cards=cards, total=count)

    def _corrections(self, rows: Sequence[int]) -> tuple[str, ...]:
        table, corrections, given = self._result.table, self._result.suspects_csv, self._result.typed
        first = rows[0]
        commands = [f"{given.label(table.files[first].path, table.suggested[first])}    # one"]
        if corrections is not None:
            whole = given.command("label", "import", display_path(str(corrections)), images=False)
            commands.append(f"{whole}    # all that you have left in that table")
        return tuple(commands)

    def _of_row(self, name: str, row: int) -> Card:
        table = self._result.table
        file, score = table.files[row], float(table.issues[name].score[row])
        if name == "suspect_label":
            sure = percent(self._result.confidence[file.path])
            return self._card(file, suggested=table.suggested[row], facts=(f"{sure} probable, score {score:.2f}",))
        if name in ("odd_size", "odd_aspect_ratio"):
            return self._card(file, facts=(_pixels(file),), whole=True)
        return self._card(file, facts=(f"score {score:.2f}",))

    def _kept(self, each: Copies) -> Card:
        return self._card(each.keep, facts=(_pixels(each.keep), "the one to keep"))

    def _copy(self, copy: Copy) -> Card:
        how = "the same bytes" if copy.exact else f"{copy.distance} of 256 bits differ"
        return self._card(copy.file, facts=(_pixels(copy.file), how))

    def _card(self, file: ImageFile, suggested: str = "", facts: tuple[str, ...] = (), whole: bool = False) -> Card:
        return Card(
            file.path, thumbnail(self._result.root, file.path, self._max_pixels), file.label, suggested, facts, whole
        )

    def _shortcuts(self) -> Section:
        rows = []
        for each in self._result.shortcuts:
            hints = "; ".join(
                f"{display_path(hint.label)}: {hint.values} ({percent(hint.share)} of its images, "
                f"{percent(hint.share_of_others)} of the others)"
                for hint in each.hints
            )
            right, chance = percent(each.balanced_accuracy), percent(each.chance)
            alone = f"Alone it gets {right} right, averaged over classes; chance, {chance}. {hints}."
            rows.append((f"The {each.property} gives {display_path(each.class_label)} away", alone))
        lead = (
            "These properties alone give a class away. A classifier can learn them instead of what you mean, and fail "
            "where they differ. Brightness and colour may belong to a class, size and file type never do: were the "
            "classes collected from different sources?"
        )
        return Section("shortcuts", "Possible shortcuts", len(rows), "property", lead, rows=rows)

    def _balance(self) -> Section:
        balance = self._result.balance
        rows = [(display_path(each.label), each.meaning) for each in balance.small]
        if balance.imbalance is not None:
            rows.append(("Out of balance", display_path(balance.imbalance.meaning)))
        lead = (
            f"{count_of(len(balance.small), 'class has', 'classes have')} too few images to be judged."
            if balance.small
            else "The classes are out of balance."
        )
        return Section("balance", "Sizes of the classes", len(rows), "class", lead, rows=rows[:MOST_CARDS])


def _pixels(file: ImageFile) -> str:
    return f"{file.width:,} x {file.height:,}"


def thumbnail(root: Path, path: str, max_pixels: int) -> bytes:
    """Return a small JPEG of an image of a dataset; nothing if it cannot be read any more."""
    try:
        return thumbnail_jpeg(open_bytes(root / path, root=root), THUMBNAIL_SIDE, max_pixels=max_pixels)
    except ImageError:
        return b""
