"""Results in words, for a person at a terminal."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gingham.cli.texts import flat, interval_text, level, near, number_text, padded, percents, tabulated
from gingham.records import display_path

if TYPE_CHECKING:
    from gingham.cli.batch import Batch
    from gingham.deploy import Deployment
    from gingham.evaluate.metrics import Metrics
    from gingham.export import Prediction
    from gingham.serve.server import Opened
    from gingham.workflow import (
        Comparison,
        DatasetSummary,
        Diagnosis,
        EvaluateResult,
        ExportResult,
        FeaturesResult,
        InitResult,
        NearestResult,
        RefineResult,
        RunList,
        RunResult,
        SampleResult,
        SplitResult,
        TrainResult,
        TuneResult,
    )

SHOWN = 5
WIDEST = 100
"""Cells of a column; what is longer sticks out, whole."""


def init(result: InitResult) -> str:
    """Say where the parameters file is, and which images it names."""
    return (
        f"Wrote {near(result.path)}. Its images are those in {result.dataset}; the line `dataset` says so.\n"
        "Now type `gingham run`."
    )


def sample(result: SampleResult) -> str:
    """Say what the sample holds and what to type next."""
    parts = ", ".join(f"{count} {name}" for name, count in result.per_class.items())
    return (
        f"Wrote {result.images} pictures ({parts}; {result.megabytes} MB) to {near(result.directory)}, "
        "and a broken one, because real folders have them.\n"
        f"Now type `{result.command}`."
    )


def split(result: SplitResult) -> str:
    """Show how many images of each class train and test."""
    data = result.dataset
    rows = [(display_path(c), str(data.train_per_class[c]), str(data.test_per_class[c])) for c in data.classes]
    return "\n\n".join([tabulated(("class", "train", "test"), rows), _dataset(data)])


def featurize(result: FeaturesResult) -> str:
    """Say how many features there are and how fast they came."""
    rate = f", {result.images_per_second:,.0f} images/s" if result.images_per_second else ""
    lines = [
        f"{result.images:,} images, {result.n_features:,} features each, {result.from_cache:,} of them from the cache.",
        f"{result.backbone} at {result.resolution} pixels, {result.engine}{rate}.",
    ]
    if result.recomputed:
        lines.append(f"{result.recomputed} damaged cache entries were found and computed again.")
    if result.output:
        lines.append(f"Wrote {near(result.output)}.")
    return "\n".join(lines)


def refine(result: RefineResult) -> str:
    """Say what was trained and what became of it."""
    made = result.refinement
    rate = sum(epoch["images_per_second"] for epoch in made["epochs"]) / len(made["epochs"])
    lines = [
        f"Refined {result.backbone} at {result.resolution} pixels on {made['train']:,} images: {made['depth']}, "
        f"{made['trained_parameters']:,} of {made['parameters']:,} numbers; {rate:,.0f} images/s on the "
        f"{'processor' if made['device'] == 'cpu' else 'GPU'} in {made['precision']}.",
        _epoch(made),
        *made["diagnosis"],
        f"Weights {near(result.weights)}",
        "`gingham run --classifier dnn` tests it and writes a report.",
    ]
    return "\n".join(lines)


def tune(result: TuneResult) -> str:
    """Show all that was measured, and what to take."""
    from gingham.evaluate.wording import count_of

    rows = [
        (
            str(number),
            row.name,
            percents(row.accuracy),
            interval_text(row.interval),
            f"{row.held_out:,}",
            f"{row.milliseconds:.1f}",
            f"{row.megabytes:.0f}",
            "*" if row.pareto else "",
            row.verdict,
        )
        for number, row in enumerate(result.rows, 1)
    ]
    finding = result.finding
    metrics = finding.metrics
    return "\n".join(
        [
            tabulated(("", "classifier", "accuracy", "interval", "held out", "ms/image", "MB", "", ""), rows),
            "",
            finding.sources,
            "Accuracy on training images that were held out. *: nothing is both more accurate and faster.",
            f"Recommended: {finding.recommended.name}, {finding.why}.",
            f"Test accuracy {percents(metrics['accuracy'])} ({interval_text(metrics['accuracy_ci'])}) on "
            f"{count_of(metrics['n_test'], 'test image')}, not looked at in the choice. {finding.met}",
            f"Again   {result.command}",
            f"Report  {near(result.report)}",
            f"Run     {near(result.run.report)}",
            *(f"Note: {warning}" for warning in [*result.run.record.warnings, *result.run.warnings]),
        ]
    )


def _epoch(made: Mapping[str, Any]) -> str:
    kept = [epoch for epoch in made["epochs"] if epoch["epoch"] in made["kept_epochs"]]
    after = " and ".join(str(epoch["epoch"]) for epoch in kept)
    wrong = " and ".join(percents(epoch["train_error"]) for epoch in kept)
    weights = f"epoch {after}" if len(kept) == 1 else f"the mean of the weights after epochs {after}"
    held_out = "" if made["validation_error"] is None else f", validation error {percents(made['validation_error'])}"
    reasons = {"interrupted": ", stopped by Ctrl-C", "patience": ", stopped because it got no better"}
    ended = reasons.get(made["stopped"], "")
    return f"Kept {weights} of {made['epochs'][-1]['epoch']}{ended}: training error {wrong}{held_out}."


def train(result: TrainResult) -> str:
    """Show the accuracy of every C in cross-validation, or what became of the network."""
    if result.c is None:
        return f"Trained on {result.dataset.train:,} images.\n\n{_epoch(result.refinement or {})}"
    rows = [
        (f"{c:g}", percents(accuracy), "chosen" if c == result.c else "") for c, accuracy in result.cv_accuracy.items()
    ]
    where = "in cross-validation" if result.refinement is None else "on the validation part"
    table = tabulated(("C", f"accuracy {where}", ""), rows)
    return f"Trained on {result.dataset.train:,} images.\n\n{table}\n\n`gingham run` tests it and writes a report."


def evaluate(result: EvaluateResult) -> str:
    """Show how good the classifier is."""
    return _metrics(result.metrics, result.dataset.classes)


def run(result: RunResult) -> str:
    """Say in words that a layman understands how good the classifier is, and where the report lies."""
    record, data = result.record, result.record.dataset
    state = ": nothing has changed since, so nothing was done again." if result.up_to_date else ""
    lines = [f"Run {result.run_id}{state}"]
    left_out = Counter(item.reason for item in data.skipped)
    if data.conflicts:
        left_out["under more than one label"] = sum(map(len, data.conflicts))
    reasons = ", ".join(f"{count} {reason}" for reason, count in left_out.items())
    validation = record.refinement.validation if record.refinement else 0
    kept_back = f" ({validation:,} of them only to choose and calibrate)" if validation else ""
    lines.append(
        f"{data.images:,} images in {len(data.classes):,} classes: learned from {data.train:,}{kept_back}, "
        f"tested on {data.test:,}"
        + ("." if data.split == "stratified" else f", as {data.split} says.")
        + (f" Left out {sum(left_out.values())}: {reasons}; the report lists them." if left_out else "")
    )
    lines += ["", _metrics(result.metrics, data.classes), ""]
    lines += [f"Note: {warning}" for warning in [*record.warnings, *result.warnings]]
    lines += [f"Report  {near(result.report)}", f"Model   {near(result.model)}"]
    return "\n".join(lines)


def show(result: RunResult) -> str:
    """Show one run."""
    record = result.record
    rows = [(name, str(value)) for name, value in sorted(flat(record.parameters))]
    made = f"{record.created:%Y-%m-%d %H:%M:%S} UTC, {record.seconds.get('total', 0):.1f} s"
    files = ", ".join(record.files)
    return "\n\n".join([run(result), f"Made    {made}\nFiles   {files}", tabulated(("parameter", "value"), rows)])


def runs(result: RunList) -> str:
    """List the runs, one a line."""
    if not result.runs:
        return "\n".join([*result.warnings, "No runs yet. Type `gingham run`."])
    rows = []
    for each in result.runs:
        record, metrics = each.record, each.record.metrics
        accuracy = percents(metrics["accuracy"]) if "accuracy" in metrics else record.status
        interval = interval_text(metrics["accuracy_ci"]) if "accuracy_ci" in metrics else ""
        views = record.parameters.get("features", {}).get("views", "one")
        setup = f"{record.classifier}, {record.backbone} {record.resolution}{'' if views == 'one' else f', {views}'}"
        rows.append((record.run_id, display_path(record.dataset.name), setup, accuracy, interval))
    levels = {float(each.record.metrics["confidence"]) for each in result.runs if "confidence" in each.record.metrics}
    interval = level(levels.pop()) if len(levels) == 1 else "interval"
    table = tabulated(("run", "dataset", "classifier", "accuracy", interval), rows)
    return "\n".join([table, *(f"Note: {warning}" for warning in result.warnings)])


def compare(result: Comparison) -> str:
    """Show two runs side by side and say whether they differ."""
    found = result.predictions
    same_as_accuracy = [(m.a, m.b) for m in found.metrics if m.name == "accuracy"]
    rows = [
        (m.in_words, number_text(m.a), number_text(m.b), m.better or "")
        for m in found.metrics
        if m.name != "accuracy_without_leaks" or (m.a, m.b) not in same_as_accuracy
    ]
    head = ("", f"A {result.a.run_id}", f"B {result.b.run_id}", "ahead")
    parts = [found.verdict, tabulated(head, rows)]
    if result.data:
        parts.append(tabulated(("data", "A", "B"), [(name, str(a), str(b)) for name, (a, b) in result.data.items()]))
    if result.parameters:
        changed = [(name, str(values[0]), str(values[1])) for name, values in result.parameters.items()]
        parts.append(tabulated(("parameter", "A", "B"), changed))
    for title, flips in (
        ("Right in A, wrong in B", found.lost),
        ("Wrong in A, right in B", found.gained),
    ):
        shown = [f"  {flip.path}: {flip.label}, A {flip.predicted_a}, B {flip.predicted_b}" for flip in flips[:10]]
        more = [f"  and {len(flips) - 10} more; --json lists all"] if len(flips) > 10 else []
        parts.append("\n".join([f"{title}: {len(flips)}", *shown, *more]))
    return "\n\n".join(parts)


def serve(result: Opened) -> str:
    """Say where the service answers, and how to ask it."""
    return "\n".join(
        [
            f"{near(result.model)} ({', '.join(map(display_path, result.labels[:SHOWN]))}"
            + (f" and {len(result.labels) - SHOWN:,} more" if len(result.labels) > SHOWN else "")
            + f") answers at {result.url}",
            "",
            f"In a browser  {result.url}",
            f"In a shell    gingham predict {result.url} photo.jpg"
            + (", with GINGHAM_SERVICE__TOKEN set" if result.needs_token else ""),
            "Stop it with Ctrl-C.",
        ]
    )


def predict(result: Batch) -> str:
    """Say what each image shows, one a line."""
    from rich.cells import cell_len

    rows = [_prediction(each, result.top_k) for each in result.predictions]
    widths = [min(max(cell_len(row[column]) for row in rows), WIDEST) for column in range(3)]
    lines = []
    for path, label, probability, remarks in rows:
        start = f"{padded(path, widths[0])}  {padded(label, widths[1])}  {probability.rjust(widths[2])}"
        lines.append(f"{start}  {remarks}".rstrip())
    return "\n".join(lines)


def nearest(result: NearestResult) -> str:
    """Show below each image the training images most like it, as paths that can be opened from here."""
    parts = []
    for each in result.images:
        path = display_path(each.path)
        if each.label is None:
            parts.append(f"{path}: {display_path(each.error or '')}")
            continue
        rows = [
            (f"{found.similarity:.3f}", display_path(found.label), near(result.folder / found.path))
            for found in each.nearest
        ]
        lines = [f"{path}: the answer is {display_path(each.label)}, {percents(each.probability)} probable."]
        if each.trained_on is not None:
            known = each.trained_on
            lines.append(
                f"It is itself a training image, {near(result.folder / known.path)}, trained on as "
                f"{display_path(known.label)}; left out below."
            )
        table = tabulated(("similarity", "label", "training image"), rows)
        parts.append("\n".join([*lines, *(f"  {line}" for line in table.splitlines())]))
    if result.unreadable < len(result.images):
        parts.append("Similarity, as the network sees them: 1 is identical, near 0 has nothing in common.")
    if result.output is not None:
        parts.append(f"Wrote {near(result.output)}, which shows the pictures.")
    return "\n\n".join(parts)


def predicted(result: Batch) -> str:
    """Say how many images there were, and how fast it went."""
    images = "1 image" if len(result.predictions) == 1 else f"{len(result.predictions):,} images"
    return f"{images}, {result.unreadable:,} unreadable, {result.images_per_second:,.1f} images/s"


def deploy(result: Deployment) -> str:
    """List the files of a deployment, and say what to type next."""
    code = [name for name in result.files if name.startswith("code/")]
    lines = [f"Wrote {result.name} to {near(result.folder)}:"]
    lines += [
        f"  {name}{' (kept as it was)' if name in result.kept else ''}" for name in result.files if name not in code
    ]
    lines += [f"  code/: {len(code):,} files, Gingham itself"] if code else []
    lines += [f"Removed {name}, which belonged to an earlier deployment." for name in result.removed[:SHOWN]]
    return "\n".join([*lines, f"Now type `{result.command}`."])


def export(result: ExportResult) -> str:
    """Say where the file lies, and how well its answers agree."""
    kind = "one picture of any size" if result.input == "image" else "squares"
    rows = [
        (each.way, each.other, f"{each.probabilities:.2g}", f"{each.tolerance.probabilities:g}")
        for each in result.parity
    ]
    head = ("ran by", "compared with", "probabilities differ", "allowed")
    return "\n".join(
        [
            f"Wrote {near(result.path)}: {result.bytes / 1e6:.1f} MB, run {result.run_id}, weights {result.precision},"
            f" for {kind}.",
            f"It answers as it was trained to, on {result.images:,} images:",
            "",
            tabulated(head, rows),
        ]
    )


def doctor(result: Diagnosis) -> str:
    """Show what is installed and what will be used."""
    engine = [(name, str(value)) for name, value in result.engine.items()]
    weights = [(name, str(value)) for name, value in result.weights.items()]
    extras = [(name, f"not here: {command}" if command else "installed") for name, command in result.extras.items()]
    parts = [
        tabulated(("machine", ""), [(name, str(value)) for name, value in result.machine.items()]),
        tabulated(("engine", ""), engine),
        tabulated(("weights", ""), weights),
        tabulated(("package", "version"), list(result.packages.items())),
        tabulated(("extra", ""), extras),
        "\n".join(f"Problem: {problem}" for problem in result.problems) or "All is well.",
    ]
    return "\n\n".join(parts)


def _prediction(each: Prediction, top_k: int | None) -> tuple[str, str, str, str]:
    if each.label is None:
        return display_path(each.path), "–", "–", display_path(each.error or "")
    others = [(label, value) for label, value in each.top(top_k or 1) if label != each.label]
    remarks = [
        "not sure" if not each.sure else "",
        "unlike the training images" if each.is_outlier else "",
        ", ".join(f"{display_path(label)} {percents(value)}" for label, value in others),
    ]
    return (
        display_path(each.path),
        display_path(each.label),
        percents(each.probability),
        "; ".join(filter(None, remarks)),
    )


def _metrics(metrics: Metrics, classes: Sequence[str]) -> str:
    low, high = metrics.accuracy_ci
    if metrics.n_correct == metrics.n_test:
        lines = [
            f"No mistake in {metrics.n_test:,} test images. "
            f"Of 100 new images like these, expect at least {math.floor(low * 100)} to be recognised."
        ]
    else:
        lines = [f"Of 100 new images like these, expect about {metrics.accuracy * 100:.0f} to be recognised "
                 f"({low * 100:.0f} to {high * 100:.0f})."]  # fmt: skip
    if metrics.train_accuracy is not None:
        lines.append(
            f"Accuracy {percents(metrics.accuracy)} on the test images, {percents(metrics.train_accuracy)} on the "
            f"training images; averaged over classes {percents(metrics.class_averaged_accuracy)}."
        )
    if metrics.accuracy_without_leaks is not None and metrics.n_without_leaks != metrics.n_test:
        lines.append(
            f"Without test images that are nearly training images: {percents(metrics.accuracy_without_leaks)} "
            f"of {metrics.n_without_leaks:,}."
        )
    worst = sorted((c for c in classes if metrics.per_class_accuracy.get(c) is not None),
                   key=lambda c: metrics.per_class_accuracy[c] or 0)  # fmt: skip
    rows = [
        (display_path(c), percents(metrics.per_class_accuracy[c]), interval_text(metrics.per_class_accuracy_ci[c]),
         number_text(metrics.auc.get(c)))
        for c in worst[:20]
    ]  # fmt: skip
    lines += ["", tabulated(("class", "accuracy", level(metrics.confidence), "AUC"), rows)]
    if len(worst) > 20:
        lines.append(f"and {len(worst) - 20} classes with higher accuracy; the report shows them.")
    return "\n".join(lines)


def _dataset(data: DatasetSummary) -> str:
    lines = [f"{data.images:,} images: {data.train:,} train, {data.test:,} test."]
    if data.skipped:
        lines.append(f"Left out {len(data.skipped)}:")
        lines += [f"  {display_path(item.path)}: {item.reason}" for item in data.skipped[:SHOWN]]
        lines += [f"  and {len(data.skipped) - SHOWN} more; --json lists all"] if len(data.skipped) > SHOWN else []
    for groups, words in ((data.duplicates, "groups of duplicates"), (data.conflicts, "pictures under two labels")):
        if groups:
            lines.append(f"{len(groups)} {words}, such as {', '.join(map(display_path, groups[0][:3]))}.")
    return "\n".join([*lines, *(f"Note: {warning}" for warning in data.warnings)])
