"""The page of results, made from the figures of the benchmarks."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Iterator
from typing import Any

from benchmarks import results_of_images

HEAD = """# Results

Made by `make bench`, which measures each thing against a named alternative side by side in one run, several times, and
takes medians. The machine: {machine}. The figures in full: `benchmarks/figures.json`.
"""


def render(figures: dict[str, Any]) -> str:
    """Return RESULTS.md."""
    machine = f"{os.cpu_count()} cores, {platform.machine()}, {platform.system()}, Python {platform.python_version()}"
    parts = [HEAD.format(machine=machine)]
    for name, write in SECTIONS.items():
        if name in figures:
            lines = "\n".join(write(figures[name]["figures"]))
            parts.append(f"{lines}\n\nMeasured {figures[name]['measured']}: `python -m benchmarks {name}`.\n")
    return "\n".join(parts)


def _featurize(f: dict[str, Any]) -> Iterator[str]:
    yield "## Files to features\n"
    yield f"{f['images']:,} photos of clothing, EfficientNet-Lite0 at 224, images a second.\n"
    yield "| | decoding alone | inference alone | together, allowed | files to features | share | by processor time |"
    yield "|---|---|---|---|---|---|---|"
    for engine in ("openvino-bf16", "openvino-f32"):
        if engine in f:
            r = f[engine]
            yield (
                f"| {engine} | {r['decode']:.0f} | {r['infer']:.0f} | {r['allowed']:.0f} "
                f"| {r['files_to_features']:.0f} | {r['share_of_allowed']:.0%} "
                f"| {r['share_of_allowed_by_cpu_time']:.0%} |"
            )
    yield f"\nAgainst timm, torch eager f32 and a DataLoader with 2 workers, on {f['baseline_images']} of the photos:\n"
    yield "| timm, default layout | timm, channels-last | ours | ratio to the faster |"
    yield "|---|---|---|---|"
    yield f"| {f['timm_default']:.0f} | {f['timm_channels_last']:.0f} | {f['ours']:.0f} | {f['ratio']:.1f}x |"


def _svm(f: dict[str, Any]) -> Iterator[str]:
    yield f"## Search for C, {f['rows']:,} x {f['features']:,}, {f['classes']} classes, 7 C x 5 folds\n"
    yield "| ours | `GridSearchCV(LinearSVC)`, `n_jobs=2` | ratio | cross-validation accuracies differ by at most | objectives above LIBLINEAR's by at most |"  # noqa: E501
    yield "|---|---|---|---|---|"
    yield (
        f"| {f['seconds']:.1f} s | {f['grid_search_seconds']:.0f} s | {f['ratio']:.1f}x "
        f"| {100 * f['largest_accuracy_difference']:.2f} points | {f['largest_objective_excess']:.4%} |"
    )


def _startup(f: dict[str, Any]) -> Iterator[str]:
    yield "## A whole command, process start included\n"
    yield "| `gingham --help` | first `gingham run`, 2,147 photos | second, nothing changed |"
    yield "|---|---|---|"
    yield f"| {f['help']:.2f} s | {f['first']:.1f} s | {f['second']:.2f} s |"


def _memory(f: dict[str, Any]) -> Iterator[str]:
    small = next(name for name in f if name.startswith("peak_"))
    large = f"peak_{f['files']}"
    yield "## Peak memory of featurizing\n"
    yield f"| {int(small[5:]):,} files | {f['files']:,} files | growth | of it file names | the features themselves |"
    yield "|---|---|---|---|---|"
    yield (
        f"| {f[small]:.0f} MiB | {f[large]:.0f} MiB | {f['growth']:.0f} MiB "
        f"| {f['of_which_the_callers_file_names']:.0f} MiB | {f['features']:.0f} MiB |"
    )


def _serving(f: dict[str, Any]) -> Iterator[str]:
    yield "## The REST service\n"
    yield "Photos of clothing as JPEG bodies, 16 clients on the same machine, images a second;"
    yield "the engine alone has the same images decoded.\n"
    yield "| network | engine alone | decoding and engine, no service | service | of the engine | of both |"
    yield "|---|---|---|---|---|---|"
    for r in f["throughput"]:
        yield (
            f"| {r['resolution']}, {r['precision']} | {r['engine']:.0f} | {r['files']:.0f} | {r['service']:.0f} "
            f"| {r['share_of_engine']:.0%} | {r['share_of_files']:.0%} |"
        )
    o = f["others"]
    better = max(o["litserve_onnxruntime"], o["mlflow"])
    yield "\nThe same model file behind other servers, each with its defaults:\n"
    yield "| `gingham serve` | LitServe, Pillow and ONNX Runtime | `mlflow models serve` | ratio to the better | LitServe around Gingham's decoding and engine |"  # noqa: E501
    yield "|---|---|---|---|---|"
    yield (
        f"| {o['gingham']:.0f} | {o['litserve_onnxruntime']:.0f} | {o['mlflow']:.0f} | {o['gingham'] / better:.2f}x "
        f"| {o['litserve_gingham']:.0f} ({o['gingham'] / o['litserve_gingham']:.2f}x) |"
    )
    light = f["light"]
    yield "\nOne request at a time, milliseconds, against decoding and computing in a loop:\n"
    yield "| | alone | request | ratio |"
    yield "|---|---|---|---|"
    for name in ("p50", "p99"):
        alone, request = light[f"alone_{name}"], light[f"request_{name}"]
        yield f"| {name} | {1000 * alone:.1f} | {1000 * request:.1f} | {request / alone:.2f}x |"
    yield f"\nFrom the start of the process until it is ready: {f['cold_start']:.1f} s."


def _overload(f: dict[str, Any]) -> Iterator[str]:
    yield "## The service when it is pressed\n"
    yield "A network at 448 pixels; the clients are on the same two processors, and what they take is told. The median of three.\n"  # noqa: E501
    yield "| ten times its capacity, for a minute | answered a second before, during, after | share of the peak (all three) | refused a second | taken by the clients | live, p99 | memory, first and last third |"  # noqa: E501
    yield "|---|---|---|---|---|---|---|"
    for name, title in (("closed_loop", "160 clients"), ("open_loop", "10 times the rate")):
        if name in f:
            r = f[name]
            yield (
                f"| {title} | {r['goodput_before']:.0f}, {r['goodput']:.0f}, {r['goodput_after']:.0f} "
                f"| {r['share']:.0%} ({', '.join(f'{share:.0%}' for share in r['shares'])}) "
                f"| {r['refused_a_second']:.0f} | {r['generator']:.2f} processors | {1000 * r['live_p99']:.0f} ms "
                f"| {r['memory_first_third']:.0f}, {r['memory_last_third']:.0f} MiB |"
            )
    slow, ends, damaged, swaps = (f[name] for name in ("slow_clients", "ends", "mutations", "swaps"))
    statuses = ", ".join(f"{count:,} times {status}" for status, count in damaged["statuses"].items())
    yield "\n| | |"
    yield "|---|---|"
    yield (
        f"| p99 of 8 clients before, beside, after {slow['connections']:,} slow connections "
        f"| {slow['p99_before']:.2f}, {slow['p99_beside']:.2f}, {slow['p99_after']:.2f} s |"
    )
    yield (
        f"| {ends['signals']} SIGTERMs under load | {ends['answers']:,} answers, {ends['lost']} lost, "
        f"the longest end {ends['longest']:.1f} s |"
    )
    yield f"| 20,000 damaged files | {statuses}; {damaged['replaced']:.0f} decoders replaced |"
    yield (
        f"| {swaps['swaps']} replacements of the model under load | {swaps['answers']:,} answers, all 200; "
        f"memory after 10 of them {swaps['memory_after_10']:.0f}, at the end {swaps['memory_at_the_end']:.0f} MiB |"
    )


def _accuracy(rows: list[dict[str, Any]]) -> Iterator[str]:
    yield "## Accuracy on the official test images\n"
    yield "| set | resolution | fit | test accuracy | 95 % interval | class-averaged | cross-validation |"
    yield "|---|---|---|---|---|---|---|"
    for r in rows:
        yield (
            f"| {r['dataset']} | {r['resolution']} | {r['fit']} | {r['accuracy']:.1%} "
            f"| {r['low']:.1%} to {r['high']:.1%} | {r['class_averaged_accuracy']:.1%} | {r['cross_validation']:.1%} |"
        )


def _timed(seconds: float | None) -> str:
    return "not timed, for other work ran beside it" if seconds is None else f"{seconds:.0f} s"


def _refinement(rows: list[dict[str, Any]]) -> Iterator[str]:
    yield "## Refinement: errors on the official test images\n"
    yield "EfficientNet-Lite0 at 224, defaults, no GPU; the mean of three seeds, and of their 95 % intervals.\n"
    yield "| set | classifier | test accuracy | 95 % interval | each seed | errors against the SVM's | whole run |"
    yield "|---|---|---|---|---|---|---|"
    errors = {(r["dataset"], r["classifier"]): 1 - r["mean"] for r in rows}
    for r in rows:
        share = errors[r["dataset"], r["classifier"]] / errors[r["dataset"], "svm"]
        on_it = "" if r["classifier"] in ("svm", "dnn") else ", on the network of dnn"
        yield (
            f"| {r['dataset']} | {r['classifier']} | {r['mean']:.1%} | {r['low']:.1%} to {r['high']:.1%} "
            f"| {', '.join(f'{accuracy:.1%}' for accuracy in r['accuracies'])} "
            f"| {share:.0%} | {_timed(r['seconds'])}{on_it} |"
        )
    sets = {dataset for dataset, _ in errors}
    means = {c: sum(errors[d, c] for d in sets) / len(sets) for _, c in errors}
    yield (
        "\nErrors, mean of the sets: "
        + ", ".join(
            f"{c} {e:.1%}" + ("" if c == "svm" else f" ({1 - e / means['svm']:.1%} fewer)") for c, e in means.items()
        )
        + "."
    )


def _tune_quick(f: dict[str, Any]) -> Iterator[str]:
    yield "## `gingham tune --quick` on clothing, three networks at three resolutions\n"
    yield f"{f['seconds'] / 60:.1f} minutes from an empty project to the run of the recommended one.\n"
    yield "| | cross-validation | test images | ms/image | |"
    yield "|---|---|---|---|---|"
    for row in f["rows"]:
        chosen = [word for word in ("best", "recommended") if f[word] == row["name"]]
        yield (
            f"| {row['name']} | {row['cv']:.1%} | {row['test']:.1%} | {row['milliseconds']:.1f} | {', '.join(chosen)} |"
        )
    most = max(f["rows"], key=lambda row: row["cv"])
    taken = next(row for row in f["rows"] if row["name"] == f["recommended"])
    best = next(row for row in f["rows"] if row["name"] == f["best"])
    yield (
        f"\nThe most accurate one is by definition that of cross-validation; on the test images, which the search did "
        f"not meet, it is {100 * (max(row['test'] for row in f['rows']) - best['test']):.1f} points below the best of "
        f"all. The recommended one, faster, is {100 * (most['cv'] - taken['cv']):.1f} points below in "
        f"cross-validation, {100 * (max(row['test'] for row in f['rows']) - taken['test']):.1f} on the test images."
    )


def _presets(rows: list[dict[str, Any]]) -> Iterator[str]:
    yield "## Presets of fixed features, official splits, three seeds\n"
    yield "| preset | clothing | grocery | mean | points more than fast | ms/image | time | MB |"
    yield "|---|---|---|---|---|---|---|---|"
    first = rows[0]
    for row in rows:
        mean, base = ((each["clothing"] + each["grocery"]) / 2 for each in (row, first))
        yield (
            f"| {row['preset']} | {row['clothing']:.1%} | {row['grocery']:.1%} | {mean:.1%} "
            f"| {100 * (mean - base):+.1f} | {row['milliseconds']:.1f} "
            f"| {row['milliseconds'] / first['milliseconds']:.1f}x | {row['mb']:.0f} |"
        )


def _refinement_speed(f: dict[str, Any]) -> Iterator[str]:
    rates = f["rates"]
    slowest = rates["torch eager, whole network, f32"]
    yield "## Refinement: images trained a second\n"
    yield f"EfficientNet-Lite0 at 224, batches of {f['batch']}, channels-last, AdamW; ours trains the last"
    yield "three stages, from activations, and what these cost, once for each view, is not in it.\n"
    yield "| | images a second | |"
    yield "|---|---|---|"
    for name, rate in rates.items():
        yield f"| {name} | {rate:.1f} | {rate / slowest:.1f}x |"


def _equal_time(rows: list[dict[str, Any]]) -> Iterator[str]:
    yield "## Refinement: accuracy at equal wall time\n"
    yield "EfficientNet-Lite0 at 224, the same weights, no GPU, one seed, the official test images. timm trains the"
    yield "whole network by its own recipe (AdamW, batches of 32, RandAugment, random erasing, label smoothing, cosine,"
    yield "moving average) for as many updates as the minutes hold on a quiet machine; of its learning rates, and"
    yield "of the weights and their average, the better on the test images counts. Ours is `dnn` at its"
    yield "defaults where that is done in time, and else with `refinement.trainings = 1`.\n"
    yield "| set | minutes | timm | its learning rates | epochs | ours | whole run | our errors against timm's |"
    yield "|---|---|---|---|---|---|---|---|"
    ours = [r for r in rows if r["by"] == "gingham"]
    trained: dict[tuple[str, float], list[dict[str, Any]]] = {}
    for r in rows:
        if r["by"] == "timm":
            trained.setdefault((r["dataset"], r["minutes"]), []).append(r)
    for (dataset, minutes), tried in trained.items():
        in_time = [r for r in ours if r["dataset"] == dataset and r["seconds"] <= 60 * minutes]
        best = max(tried, key=lambda r: r["accuracy"])
        each = ", ".join(f"{r['learning_rate']:g}: {r['accuracy']:.1%}" for r in tried)
        yield (
            f"| {dataset} | {minutes:g} | {_interval(best)} | {each} "
            f"| {best['epochs']:.1f} | {_ours_in_time(in_time, best)} |"
        )


def _ours_in_time(runs: list[dict[str, Any]], best: dict[str, Any]) -> str:
    if not runs:
        return "not done in time | | "
    o = max(runs, key=lambda r: r["trainings"])
    errors = (1 - o["accuracy"]) / (1 - best["accuracy"])
    return f"{_interval(o)} | {o['seconds']:.0f} s, trainings: {o['trainings']} | {errors:.0%}"


def _interval(r: dict[str, Any]) -> str:
    return f"{r['accuracy']:.1%} ({r['low']:.1%} to {r['high']:.1%})"


SECTIONS: dict[str, Callable[[Any], Iterator[str]]] = {
    "featurize": _featurize,
    "svm_20000": _svm,
    "svm_3000": _svm,
    "near_duplicates": results_of_images.near_duplicates,
    "hashing": results_of_images.hashing,
    "collecting": results_of_images.collecting,
    "million": results_of_images.million,
    "label_errors": results_of_images.label_errors,
    "startup": _startup,
    "memory": _memory,
    "serving": _serving,
    "overload": _overload,
    "accuracy": _accuracy,
    "refinement": _refinement,
    "refinement_speed": _refinement_speed,
    "tune_quick": _tune_quick,
    "presets": _presets,
    "equal_time": _equal_time,
}
