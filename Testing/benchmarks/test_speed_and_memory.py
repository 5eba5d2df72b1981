"""How fast, and in how much memory: one large scan from file to file, and the network beside two yardsticks.

Run with `make bench`; it prints the tables of the book. Times mean something on an idle machine alone; ratios are
taken from runs in turn, so that a busy machine slows both sides.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from CovidSegLib.device_trial import MOST_DIFFERENT, trial_slices
from CovidSegLib.errors import EngineError
from CovidSegLib.network import models
from CovidSegLib.network.input_form import INPUT_SHAPE
from CovidSegLib.network.inputs import network_batches
from CovidSegLib.network.onnx_engine import OnnxEngine
from CovidSegLib.network.providers import CPU, device_names, installed_gpus
from CovidSegLib.pipeline import BATCH, GPU_BATCH, Options, open_engine
from CovidSegLib.progress import Progress
from CovidSegLib.system.graphics_cards import graphics_cards
from CovidSegLib.system.processes import core_count
from Testing.kit.watched import watch
from Testing.kit.yardsticks import bare_encoder, lungmask_unet, write_onnx

PAGE = Path(__file__).resolve().parents[2] / "docs/how_fast.md"
SLICES = 300
ROUNDS = 20
UNET_ROUNDS = 3
MOST_GIB, MORE_GIB = 1.5, 0.6
"""With one job, and for each further one."""
STEPS = {
    "reading": ("reading",),
    "network": ("checks", "engine", "network"),
    "masks": ("masks",),
    "numbers and writing": ("measures", "writing"),
}
"""Rows of the table, and the stages that each of them sums."""


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The scan that `covidseg sample --slices 300` makes."""
    path = tmp_path_factory.mktemp("bench") / "scan.nii.gz"
    watch([sys.executable, "-m", "CovidSegLib.cli", "sample", str(path), "--slices", str(SLICES)])
    return path


def test_one_large_scan_from_file_to_file(scan: Path) -> None:
    out, numbers = scan.with_name("out.seg.nrrd"), scan.with_name("out.json")
    command = [sys.executable, "-m", "CovidSegLib.cli", "segment", str(scan), "-o", str(out), "--json", str(numbers)]
    runs = []
    for _ in range(3):
        seen = watch([*command, "--overwrite"])
        runs.append((seen, json.loads(numbers.read_text())["seconds"]))
    seen, seconds = min(runs, key=lambda run: run[0].seconds)
    peaks = {
        row: max((seen.peak_gib.get(stage, 0.0) for stage in stages), default=0.0) for row, stages in STEPS.items()
    }
    table = [f"| 512x512x{SLICES}, {core_count()} cores | seconds | peak memory |", "|---|---|---|"]
    for row, stages in STEPS.items():
        memory = f"{peaks[row]:.2f} GiB" if peaks[row] else ""
        table.append(f"| {row} | {sum(seconds.get(stage, 0.0) for stage in stages):.1f} | {memory} |")
    peak = max(seen.peak_gib.values())
    table.append(f"| **the whole command**, start of Python included | **{seen.seconds:.1f}** | **{peak:.2f} GiB** |")
    show("steps", table)
    print(f"{seen.processor_seconds:.1f} s of processor time; load of the machine {os.getloadavg()[0]:.1f}")
    assert peak < MOST_GIB


def test_every_command_stays_below_its_bound_of_memory(scan: Path) -> None:
    folder = scan.parent / "commands"
    (folder / "scans").mkdir(parents=True)
    for name in ("a", "b", "c"):
        os.link(scan, folder / "scans" / f"{name}.nii.gz")
    masks, more = folder / "masks.seg.nrrd", MOST_GIB + MORE_GIB
    calls = {
        "segment": (MOST_GIB, ["segment", scan, "-o", masks]),
        "segment --keep-edits --report": (
            MOST_GIB,
            ["segment", scan, "-o", masks, "--keep-edits", "--report", folder / "r.html"],
        ),
        "report": (MOST_GIB, ["report", scan, masks, "-o", folder / "report.html"]),
        "training-case": (MOST_GIB, ["training-case", scan, masks, folder / "data", "--uncorrected"]),
        "followup": (MOST_GIB, ["followup", scan, scan, "--days", "0", "7", "-o", folder / "f.html"]),
        "lobes": (MOST_GIB, ["lobes", masks, "-o", folder / "lobes.seg.nrrd"]),
        "batch": (MOST_GIB, ["batch", folder / "scans", folder / "one"]),
        "batch --jobs 2": (more, ["batch", folder / "scans", folder / "two", "--jobs", "2"]),
    }
    peaks = {}
    for name, (_, call) in calls.items():
        seen = watch([sys.executable, "-m", "CovidSegLib.cli", *map(str, call)])
        peaks[name] = max(seen.peak_gib.values())
    rows = [f"| `{name}` | {peak:.2f} GiB | {calls[name][0]:.1f} GiB |" for name, peak in peaks.items()]
    print("\n".join([f"\n\n| 512x512x{SLICES} | peak memory | bound |", "|---|---|---|", *rows]))
    assert all(peak < calls[name][0] for name, peak in peaks.items()), peaks


def test_the_network_beside_two_yardsticks(scan: Path, tmp_path: Path) -> None:
    import onnxruntime

    from CovidSegLib.reading import read_ct

    volume = read_ct(scan, Progress())
    _, _, slices = next(network_batches(volume.voxels[SLICES // 2 :], volume.grid.spacing, BATCH))
    inputs = {"encoder": slices, "ours": slices, "unet": np.ascontiguousarray(slices[:1, ..., 1:2])}
    for network, name in ((bare_encoder(INPUT_SHAPE), "encoder"), (lungmask_unet(INPUT_SHAPE), "unet")):
        write_onnx(network, tmp_path / f"{name}.onnx")

    def ways(threads: int) -> dict[str, Callable[[], object]]:
        engine = open_engine(Options(engine="onnx", device="cpu", threads=threads), Progress())

        def runner(name: str) -> Callable[[], object]:
            # The encoder as ours runs, so that it has the same advantage; the U-Net as it runs best.
            alike = name == "encoder"
            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = 1 if alike else threads
            file = str(tmp_path / f"{name}.onnx")
            session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
            slices = np.split(inputs[name], len(inputs[name]))
            each = pool.map if alike and threads > 1 else map
            return lambda: list(each(lambda one: session.run(None, {session.get_inputs()[0].name: one}), slices))

        return {"encoder": runner("encoder"), "ours": lambda: engine.predict(inputs["ours"]), "unet": runner("unet")}

    counts = {name: len(array) for name, array in inputs.items()}
    pool = ThreadPoolExecutor(core_count())
    # A thread that waits for another one burns time: what the work itself takes shows with one thread.
    wall = fastest(ways(core_count()), counts, time.perf_counter)
    processor = fastest(ways(1), counts, time.process_time)
    rows, columns = INPUT_SHAPE
    threads = f"ms a slice, {core_count()} threads"
    table = [
        f"| {rows}x{columns}, ONNX Runtime | {threads} | ratio | processor, 1 thread | ratio |",
        "|---|---|---|---|---|",
    ]
    for name, title in (
        ("encoder", "bare MobileNetV2 encoder"),
        ("ours", "CovidSeg's network"),
        ("unet", "U-Net of lungmask's R231, random weights"),
    ):
        cells = [f"{times[name]:.1f} | {times[name] / times['ours']:.2f}" for times in (wall, processor)]
        table.append(f"| {title} | {' | '.join(cells)} |")
    show("yardsticks", table)
    for words, times in (("all threads", wall), ("one thread", processor)):
        print(
            f"{words}: ours takes {times['ours'] / times['encoder']:.2f} times the encoder (aim: at most 2.5) and is "
            f"{times['unet'] / times['ours']:.0f} times faster than the U-Net (aim: at least 25)"
        )
    assert processor["unet"] > 25 * processor["ours"]
    assert processor["ours"] < 2.5 * processor["encoder"]


def test_each_provider_that_is_there() -> None:
    """On a computer with a GPU this is the table to look at; one without a device has a row that says so."""
    model = models.find("default")
    slices = np.resize(trial_slices(), (GPU_BATCH, *INPUT_SHAPE, 3))
    table = ["| provider | computes on | ms a slice | pixels of another class than the CPU's |", "|---|---|---|---|"]
    wanted = OnnxEngine(model, CPU, core_count()).predict(slices).argmax(axis=-1)
    for provider in (CPU, *installed_gpus()):
        try:
            engine = OnnxEngine(model, provider, core_count())
            where = "" if provider is CPU else ", ".join(device_names(provider, graphics_cards()))
        except EngineError as error:
            table.append(f"| {provider.title} | {error.sentence} | | |")
            continue
        different = float(np.mean(engine.predict(slices).argmax(axis=-1) != wanted))  # now its programs are compiled
        began = time.perf_counter()
        engine.predict(slices)
        seconds = time.perf_counter() - began
        table.append(f"| {provider.title} | {where} | {1000 * seconds / GPU_BATCH:.1f} | {different:.6f} |")
        assert different <= MOST_DIFFERENT
    print("\n".join(["\n", *table, ""]))


def fastest(
    ways: dict[str, Callable[[], object]], slices: dict[str, int], clock: Callable[[], float]
) -> dict[str, float]:
    """The fastest of some rounds of each way, in ms a slice by ``clock``; all ways in turn."""
    best = dict.fromkeys(ways, np.inf)
    for round_number in range(ROUNDS):
        for name, run in ways.items():
            if name != "unet" or round_number < UNET_ROUNDS:
                began = clock()
                run()
                best[name] = min(best[name], 1000 * (clock() - began) / slices[name])
    return best


def show(name: str, table: list[str]) -> None:
    """Print ``table`` (lines of Markdown); with PAGE=1 in the environment also put it between its marks there."""
    text = "\n".join(table)
    print(f"\n\n{text}\n")
    if os.environ.get("PAGE") == "1":
        before, mark, rest = PAGE.read_text(encoding="utf-8").partition(f"<!-- bench: {name} -->\n")
        _, end, after = rest.partition("<!-- end -->")
        assert end, f"{PAGE.name} has no place for the table {name!r}"
        PAGE.write_text(f"{before}{mark}{text}\n{end}{after}", encoding="utf-8")
