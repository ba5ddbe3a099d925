"""Runs the taxi recipe on one machine and on Flink, over the same rows, and says how long it took.

    python -m benchmarks.flink --rows 300040                    # a Flink within the job server
    python -m benchmarks.flink --rows 3000400 --flink-lib LIB --kill-after 60
    python -m benchmarks.flink --rows 15002 --engines flink --job-endpoint localhost:8099

With `--flink-lib` (`benchmarks.flink_cluster` says where to get one) Flink is two task managers in
processes of their own; `--kill-after` kills one of them that many seconds into the first job,
starts another, and the run has to end well all the same. Each run is a process of its own, with
Python workers in a pool beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from benchmarks import taxi_rows
from benchmarks.flink_cluster import FlinkCluster, flink_cluster
from benchmarks.measuring import measure
from trainyard.data import datasets
from trainyard.pipeline import workspace
from trainyard.pipeline.beam.processes import free_port, running, wait_for

ROOT = Path(__file__).parents[1]
ENGINES = ("local", "direct", "flink")
STAGES = ("StatisticsGen", "Transform", "Evaluator")
_POOL = [sys.executable, "-m", "apache_beam.runners.worker.worker_pool_main"]


def main() -> int:
    """Runs one engine after the other."""
    options = _options()
    folder = workspace.home() / "bench" / "flink"
    for engine in options.engines:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        with ExitStack() as stack:
            section, cluster = _engine(engine, options, folder, stack)
            if cluster and options.kill_after is not None:
                _kill_later(cluster, options.kill_after)
            _say(
                json.dumps(
                    {"engine": engine, "rows": options.rows} | _run(section, options.rows, folder)
                )
            )
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.flink", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--rows", type=int, default=300_040)
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--parallelism", type=int, default=2)
    parser.add_argument("--loopback", action="store_true", help="no pool of Python workers")
    parser.add_argument("--job-endpoint", help="a job server that is running")
    parser.add_argument("--job-server", help="GROUP:NAME:VERSION in Maven, as engine.job_server")
    parser.add_argument("--flink-lib", type=Path, help="the jars of a Flink distribution")
    parser.add_argument("--kill-after", type=float, help="seconds; with --flink-lib")
    return parser.parse_args()


def _engine(
    engine: str, options: argparse.Namespace, folder: Path, stack: ExitStack
) -> tuple[dict[str, Any], FlinkCluster | None]:
    """The recipe's section, and the cluster, with what it needs running until the stack ends."""
    if engine != "flink":
        return {"name": {"direct": "beam"}.get(engine, engine)}, None
    said = {"name": "beam", "runner": "flink", "parallelism": options.parallelism}
    if options.job_server:
        said["job_server"] = options.job_server
    if not options.loopback:
        said["worker_pool"] = stack.enter_context(_worker_pool(folder))
    if options.job_endpoint:
        return said | {"job_endpoint": options.job_endpoint}, None
    if not options.flink_lib:
        return said, None
    cluster = stack.enter_context(flink_cluster(options.flink_lib, folder / "cluster"))
    return said | {"flink_master": cluster.master}, cluster


@contextmanager
def _worker_pool(folder: Path) -> Iterator[str]:
    # It starts what is called `python` on its path.
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    port, log = free_port(), folder / "pool.log"
    with running([*_POOL, "--service_port", str(port)], log) as pool:
        wait_for(pool, port, log)
        yield f"localhost:{port}"


def _kill_later(cluster: FlinkCluster, seconds: float) -> None:
    """Replaces a task manager by another, some seconds after the first job has begun."""

    def kill() -> None:
        while not cluster.asked("overview").get("jobs-running"):
            time.sleep(0.5)
        time.sleep(seconds)
        cluster.kill_task_manager()
        _say("a task manager was killed")
        while cluster.asked("overview").get("taskmanagers") != 1:
            time.sleep(0.5)
        cluster.add_task_manager()
        _say("another one has taken its place")

    threading.Thread(target=kill, daemon=True).start()


def _run(engine: dict[str, Any], rows: int, folder: Path) -> dict[str, Any]:
    recipe = _recipe(engine, rows, folder)
    measured = measure(
        [sys.executable, "-m", "trainyard", "run", str(recipe)],
        folder=ROOT,
        log=folder / "output.log",
        environment={"TRAINYARD_HOME": str(folder)},
    )
    (record,) = folder.glob("*/runs/*/run.json")
    stages = {each["name"]: each["seconds"] for each in json.loads(record.read_text())["stages"]}
    return {
        "seconds": round(measured.seconds, 1),
        "processor_seconds": round(measured.processor_seconds, 1),
        "peak_gigabytes": round(measured.peak_bytes / 1e9, 2),
        "others_cores": round(measured.others_cores, 2),
        **{name: round(stages[name], 1) for name in STAGES},
    }


def _recipe(engine: dict[str, Any], rows: int, folder: Path) -> Path:
    data = workspace.home() / "bench" / "data" / str(rows) / "taxi.csv"
    data.parent.mkdir(parents=True, exist_ok=True)
    taxi_rows.write(Path(datasets.fetch("taxi")), data, rows)
    yaml = YAML(typ="rt")
    document = yaml.load((ROOT / "benchmarks" / "taxi.yaml").read_text("utf-8"))
    document["data"]["path"], document["engine"] = str(data), engine
    file = folder / "taxi.yaml"
    with file.open("w", encoding="utf-8") as stream:
        yaml.dump(document, stream)
    return file


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201


if __name__ == "__main__":
    raise SystemExit(main())
