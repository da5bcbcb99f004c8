"""What was found out about images and said of them, in words for a person at a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gingham.cli.texts import near, percents, tabulated
from gingham.records import Annotation, Skipped, count_of, display_path, shorten

if TYPE_CHECKING:
    from gingham.workflow.annotating import AnnotateResult, HistoryResult, UndoResult
    from gingham.workflow.annotation_files import AnnotationFile
    from gingham.workflow.applying import ApplyResult
    from gingham.workflow.check_result import CheckResult
    from gingham.workflow.dedupe import DedupeResult, PutBackResult
    from gingham.workflow.learning import LearningResult
    from gingham.workflow.looking import NextResult

SHOWN = 10
SHOWN_CLASSES = 20
LONGEST_NAME = 40


def annotate(result: AnnotateResult) -> str:
    """Say what now holds of the images."""
    number = count_of(len(result.images), "image")
    if result.copies:
        others = count_of(len(result.copies), "other file of the same bytes", "other files of the same bytes")
        number += (
            f", and {others} ({', '.join(map(display_path, result.copies[:3]))}{', ...' * (len(result.copies) > 3)})"
        )
    head = f"{number}: remembered." if result.changed else f"{number}: that was known already; nothing has changed."
    lines = [f"  {display_path(path)}: {_words(said)}" for path, said in result.images[:SHOWN]]
    command = result.typed.command("label", "undo", images=False)
    end = [f"`{command}` takes it back."] if result.changed else []
    return "\n".join([head, *lines, *_more(len(result.images)), *end, *_notes(result.warnings)])


def _words(said: Annotation) -> str:
    parts = [
        "excluded" if said.excluded else "",
        f"is {display_path(said.label)}" if said.label is not None else "",
        "ambiguous" if said.ambiguous else "",
        f'"{display_path(said.note)}"' if said.note else "",
    ]
    return ", ".join(filter(None, parts)) or "nothing is said of it; its folder is its class"


def undo(result: UndoResult) -> str:
    """Say what was taken back."""
    if not result.events:
        return "\n".join(["Nothing is left to take back.", *_notes(result.warnings)])
    lines = [f"  {display_path(event.said.path)}: {_event(event)}" for event in result.events[:SHOWN]]
    head = f"Took back what was said of {count_of(len({event.said.content for event in result.events}), 'image')}:"
    return "\n".join([head, *lines, *_more(len(result.events)), *_notes(result.warnings)])


def history(result: HistoryResult) -> str:
    """Show what was said, the newest first."""
    if not result.events:
        return "\n".join(["Nothing has been said yet: `gingham label IMAGE CLASS`.", *_notes(result.warnings)])
    rows = [
        (event.time[:19].replace("T", " "), display_path(event.said.path), _event(event), "undone" * event.undone)
        for event in result.events
    ]
    left = result.total - len(result.events)
    end = [f"and {left:,} earlier; --count shows more."] if left > 0 else []
    return "\n".join([tabulated(("time (UTC)", "image", "said", ""), rows), *end, *_notes(result.warnings)])


def _event(event: object) -> str:
    kind, value = event.said.kind.value, display_path(event.said.value)  # type: ignore[attr-defined]
    if not value:
        return f"{kind} taken back"
    return kind if value == "yes" and kind in ("excluded", "ambiguous") else f'{kind} "{value}"'


def exported(result: AnnotationFile) -> str:
    """Say what was written where."""
    return f"Wrote {count_of(result.images, 'annotated image')} to {near(result.file)}."


def imported(result: AnnotationFile) -> str:
    """Say how much was new."""
    rows = count_of(result.images, "row")
    end = " `gingham label undo` takes it back." if result.changed else ""
    return f"Read {rows} of {near(result.file)}; {result.changed:,} of what they say was new.{end}"


def apply(result: ApplyResult) -> str:
    """Say what was moved, or would be."""
    if not result.moves:
        return "\n".join(["Folders and labels agree; nothing was moved.", *_notes(result.warnings)])
    files = count_of(len(result.moves) - len(result.kept), "file")
    head = f"Moved {files}:" if result.applied else f"Would move {files}:"
    lines = [f"  {display_path(source)} -> {display_path(target)}" for source, target in result.moves[:SHOWN]]
    undone = result.typed.command("label", "apply", "--undo", images=False)
    end = f"`{undone}` puts them back." if result.applied else f"`{result.typed.command('label', 'apply')}` moves them."
    return "\n".join([head, *lines, *_more(len(result.moves)), *_kept(result.kept), end, *_notes(result.warnings)])


def put_back(result: PutBackResult) -> str:
    """Say what is back."""
    if not result.back and not result.kept:
        return "\n".join(["Nothing was moved that could be put back.", *_notes(result.warnings)])
    lines = [f"Put {count_of(len(result.back), 'file')} back."]
    lines += [f"  {display_path(str(path))} could not be put back: {reason}" for path, reason in result.kept[:SHOWN]]
    return "\n".join([*lines, *_more(len(result.kept)), *_notes(result.warnings)])


def dedupe(result: DedupeResult) -> str:
    """List the copies, and say what was done with them."""
    if not result.copies:
        return "\n".join([f"{count_of(result.images, 'image')}, none a copy of another.", *_notes(result.warnings)])
    lines = []
    for each in result.copies[:SHOWN]:
        lines.append(f"keep   {display_path(each.keep.path)}  ({each.keep.width} x {each.keep.height})")
        for copy in (*each.others, *each.under_other_labels):
            how = "the same bytes" if copy.exact else f"{copy.distance} of 256 bits differ"
            size = f"{copy.file.width} x {copy.file.height}"
            word = "copy   " if copy in each.others else "which? "
            lines.append(f"{word}{display_path(copy.file.path)}  ({size}, {how})")
    hidden = len(result.copies) - SHOWN
    look = result.typed.command("check")
    lines += [f"and {hidden:,} more pictures: --json lists all, `{look}` shows them."] if hidden > 0 else []
    doubtful = sum(bool(each.under_other_labels) for each in result.copies)
    head = (
        f"{count_of(result.images, 'image')}, of which {result.may_go:,} "
        f"{'is a copy' if result.may_go == 1 else 'are copies'} of another."
    )
    end = []
    if doubtful:
        lie = count_of(doubtful, "picture lies", "pictures lie")
        left = "was" if doubtful == 1 else "were"
        end.append(
            f"{lie} under more than one label and {left} left alone (marked `which?`): say which label is right with "
            "`gingham label IMAGE CLASS`."
        )
    if result.moved:
        where = f" to {near(result.removed)}" if result.removed else ""
        undone = result.typed.command("dedupe", "--undo", images=False)
        end.append(f"Moved {count_of(result.moved, 'file')}{where}. `{undone}` puts them back.")
    elif result.applied:
        end.append("Nothing was moved.")
    elif result.may_go:
        applied = result.typed.command("dedupe", "--apply")
        end.append(f"`{applied}` moves the copies to .gingham/removed; nothing has been moved yet.")
    return "\n".join([*lines, "", head, *_kept(result.kept), *end, *_notes(result.warnings)])


def check(result: CheckResult) -> str:
    """Say what was found, most of it in numbers, the suspect labels by name."""
    from gingham.workflow.check_report import TITLES

    table, counts = result.table, result.table.counts()
    rows = [(f"{len(result.skipped):,}", "files cannot be read", _reasons(result.skipped))] if result.skipped else []
    rows += [(f"{count:,}", TITLES[name].lower(), "") for name, count in counts.items() if count]
    rows += [
        ("!", f"the {each.property} gives {display_path(each.class_label)} away", "a shortcut: see the page")
        for each in result.shortcuts[:SHOWN]
    ]
    rows += [
        ("!", f"{display_path(each.label)} has few images", f"{each.images:,}") for each in result.balance.small[:SHOWN]
    ]
    if (imbalance := result.balance.imbalance) is not None:
        rows.append(("!", "out of balance", f"{display_path(imbalance.largest)} has {imbalance.ratio:,.0f} times the "
                     f"images of {display_path(imbalance.smallest)}"))  # fmt: skip
    lines = [f"{count_of(len(table.files), 'image')} in {count_of(len(result.per_class), 'class', 'classes')}."]
    if rows:
        lines += ["", *(f"  {line}" for line in tabulated(("", "", ""), _right(rows)).splitlines()[1:])]
    else:
        lines.append("Nothing was found that is wrong with them.")
    if suspects := result.suspects:
        said = [
            (
                display_path(table.files[row].path),
                shorten(display_path(table.files[row].label), LONGEST_NAME),
                shorten(display_path(table.suggested[row]), LONGEST_NAME),
                percents(result.confidence[table.files[row].path]),
                f"{float(table.issues['suspect_label'].score[row]):.3f}",
            )
            for row in suspects[:SHOWN]
        ]
        lines += ["", tabulated(("suspect label of", "label", "seems to be", "probable", "score"), said)]
        lines += [f"and {len(suspects) - SHOWN:,} more"] if len(suspects) > SHOWN else []
        lines.append(
            f"`{result.typed.label(table.files[suspects[0]].path, table.suggested[suspects[0]])}` corrects one."
        )
    lines += ["", f"Page      {near(result.page)}", f"Table     {near(result.csv)}"]
    if result.suspects_csv is not None:
        name = near(result.suspects_csv)
        lines.append(f"Suspects  {name}: delete the rows that are wrong, then import the others with")
        lines.append(f"          `{result.typed.command('label', 'import', name, images=False)}`")
    return "\n".join([*lines, *_notes(result.notes)])


def next_up(result: NextResult) -> str:
    """List the images to look at, each with the reason."""
    waiting = f" and {result.unlabelled:,} without a label" if result.unlabelled else ""
    lines = [f"{count_of(result.labelled, 'labelled image')}{waiting}."]
    if not result.images:
        lines.append("None of them asks to be looked at.")
    for reason, title in NEXT.items():
        of_it = [each for each in result.images if each.reason == reason]
        if of_it:
            rows = [(display_path(each.path), display_path(each.why)) for each in of_it]
            lines += ["", tabulated((title, ""), rows)]
    if result.images:
        from gingham.workflow.looking import correction

        command = correction(result.typed, result.images[0])
        lines += ["", f"Such as: {command}", "An image whose class you have said is not asked for again."]
    lines += [f"Page   {near(result.page)}", f"Table  {near(result.csv)}"]
    return "\n".join([*lines, *_notes(result.notes)])


NEXT = {"suspect": "suspect labels", "unsure": "unsure", "unlike": "unlike anything labelled"}


def learning_curve(result: LearningResult) -> str:
    """Say which class needs more images, and what they would buy."""
    from gingham.evaluate.learning_words import headline, points, points_range, verdict
    from gingham.evaluate.outlook import Prospect

    found = result.findings
    title, reasons = headline(found, result.classes)
    rows = []
    for k in found.ranking[:SHOWN_CLASSES]:
        outlook = found.classes[k]
        gain = outlook.with_more(found.more)
        told = outlook.prospect is not Prospect.TOO_FEW
        rows.append(
            (
                shorten(result.classes[k], LONGEST_NAME),
                f"{outlook.images:,}",
                percents(outlook.accuracy),
                percents(gain.accuracy) if told else "–",
                f"{points(gain.gain)} ({points_range(gain.gain_interval)})" if told else "–",
                verdict(outlook, found.more),
            )
        )
    head = ("class", "training images", "recognised", f"with {found.more:,} more", "points", "")
    hidden = len(found.ranking) - len(rows)
    more = [f"and {count_of(hidden, 'class', 'classes')} more on the page."] if hidden > 0 else []
    parts = [f"{title}. {reasons}", "", tabulated(head, rows), *more, "", f"Page  {near(result.page)}"]
    return "\n".join([*parts, *_notes(result.warnings)])


def _right(rows: Sequence[tuple[str, str, str]]) -> list[tuple[str, str, str]]:
    width = max(len(row[0]) for row in rows)
    return [(count.rjust(width), words, more) for count, words, more in rows]


def _reasons(skipped: Sequence[Skipped]) -> str:
    counts = Counter(item.reason.value for item in skipped)
    return ", ".join(f"{count:,} {reason}" for reason, count in counts.most_common())


def _kept(kept: Sequence[tuple[str, str]]) -> list[str]:
    lines = [f"  {display_path(path)} stays: {reason}" for path, reason in kept[:SHOWN]]
    return lines + ([f"  and {len(kept) - SHOWN:,} more that stay"] if len(kept) > SHOWN else [])


def _more(total: int) -> list[str]:
    return [f"  and {total - SHOWN:,} more"] if total > SHOWN else []


def _notes(warnings: Sequence[str]) -> list[str]:
    return [f"Note: {warning}" for warning in warnings]
