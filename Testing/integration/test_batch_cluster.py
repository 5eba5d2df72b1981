"""``covidseg batch --scheduler``: the cases on a real Dask scheduler with two workers, one of which is killed."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from Testing.kit.command_line import (
    CLEAN,
    IS_REFUSED,
    NEVER_ENDS,
    TAKES_A_SECOND,
    CommandLine,
    children,
    computes_for_ever,
    is_alive,
    told_scan,
    until,
)

pytest.importorskip("distributed", reason="needs the extra cluster")
pytestmark = pytest.mark.skipif(os.name == "nt", reason="sends signals and looks at processes")


class Cluster:
    """A scheduler and ``workers`` on this machine, each a process of its own with one thread."""

    def __init__(self, told: CommandLine) -> None:
        self._environment = {**told.environment, "DASK_DISTRIBUTED__DEPLOY__LOST_WORKER_TIMEOUT": "5s"}
        self._folder = told.folder / "cluster"
        self._folder.mkdir()
        file = self._folder / "scheduler.json"
        self.processes = [
            self._start(
                "dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", file
            )
        ]
        until(lambda: file.exists() and file.read_text().strip().endswith("}"), 60)
        self.address = json.loads(file.read_text())["address"]
        self.workers = [
            self._start("dask_worker", self.address, "--nthreads", "1", "--no-nanny", "--no-dashboard")
            for _ in range(2)
        ]
        self.processes += self.workers

    def _start(self, command: str, *arguments: object) -> subprocess.Popen:
        with (self._folder / "log.txt").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.{command}", *map(str, arguments)],
                cwd=self._folder,
                env=self._environment,
                stdout=log,
                stderr=log,
            )

    def close(self) -> None:
        """Kill all of it (asked politely while a task runs, Dask's workers now and then take long to end)."""
        for process in self.processes:
            process.kill()
            process.wait()


@pytest.fixture
def cluster(told: CommandLine) -> Iterator[Cluster]:
    started = Cluster(told)
    yield started
    started.close()


def rows(told: CommandLine) -> dict[str, dict[str, str]]:
    path = told.folder / "out/summary.csv"
    if not path.exists():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        return {row["case"]: row for row in csv.DictReader(file)}


def test_a_worker_that_is_killed_in_the_middle_loses_nothing(told: CommandLine, cluster: Cluster) -> None:
    names = [f"{number:02d}" for number in range(8)]
    for name in names:
        told_scan(told.folder / "scans" / f"{name}.nii.gz", IS_REFUSED if name == "03" else TAKES_A_SECOND)
    with told.start("batch", "scans", "out", "--scheduler", cluster.address) as process:
        # Both workers have a child at work, and some cases are done.
        until(lambda: len(rows(told)) >= 2 and all(children(worker.pid) for worker in cluster.workers), 180)
        lost = cluster.workers[0]
        (child,) = children(lost.pid)
        lost.kill()
        output, errors = process.communicate(timeout=120)
    assert process.returncode == 2, errors
    assert output.splitlines()[-1] == "7 of 8 scans done."
    assert errors.count("The scan is refused.") == 1
    assert {case: row["status"] for case, row in rows(told).items()} == {
        name: "failed" if name == "03" else "done" for name in names
    }
    assert all((told.folder / "out" / f"{name}.seg.nrrd").is_file() for name in names if name != "03")
    assert not list((told.folder / "out").glob(".covidseg-*"))
    # The child of the lost worker went with it, that of the other when the batch was over.
    until(lambda: not is_alive(child) and not children(cluster.workers[1].pid))
    until(lambda: not list(told.temporary.glob(".covidseg-*")))


def test_a_stopped_batch_stops_its_work_on_the_cluster_and_goes_on_elsewhere(
    told: CommandLine, cluster: Cluster
) -> None:
    told_scan(told.folder / "scans/a.nii.gz", CLEAN)
    told_scan(told.folder / "scans/b.nii.gz", NEVER_ENDS)
    with told.start("batch", "scans", "out", "--scheduler", cluster.address) as process:
        until(lambda: list(rows(told)) == ["a"] and any(map(computes_for_ever, cluster.workers)), 180)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=180)
    assert process.returncode == 130
    until(lambda: not any(children(worker.pid) for worker in cluster.workers))
    cluster.close()
    until(lambda: not list(told.temporary.glob(".covidseg-*")))
    told_scan(told.folder / "scans/b.nii.gz", CLEAN)
    with told.start("batch", "scans", "out") as process:
        output, _ = process.communicate(timeout=180)
    assert output.splitlines()[-1] == "1 of 1 scans done, 1 done before."


def test_a_scheduler_that_is_not_there_is_one_line(told: CommandLine) -> None:
    told_scan(told.folder / "scans/a.nii.gz", CLEAN)
    before = told.files()
    hurried = (
        "import sys; from CovidSegLib.batch import cluster; from CovidSegLib.cli.main import main\n"
        "cluster._CONNECT_SECONDS = 0.5; sys.exit(main())"
    )
    ended = subprocess.run(
        [sys.executable, "-c", hurried, "batch", "scans", "out", "--scheduler", "tcp://127.0.0.1:9"],
        cwd=told.folder, env=told.environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 2
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert line.startswith("error: ")
    assert "scheduler cannot be reached" in line
    assert told.files() == before
