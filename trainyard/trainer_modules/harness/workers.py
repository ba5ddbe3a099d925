"""Training on several machines: each runs one process, and the chief's starts the others' work.

TensorFlow joins a cluster before its first operation or not at all, so the training runs
in a process of its own. The chief's run leaves the job in the recipe's checkpoints, a
folder that all machines share; `trainyard worker RECIPE` waits for it on the others.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from trainyard import errors, progress
from trainyard.errors import EnvironmentProblem, TrainingError, TrainyardError

_ARGUMENTS = (
    "train_files",
    "eval_files",
    "transform_graph_path",
    "transform_output",
    "serving_model_dir",
    "model_run_dir",
    "custom_config",
)
"""Those of TFX's FnArgs that training reads."""

POLL_SECONDS = 0.5


def job_file(checkpoints: Path) -> Path:
    """Returns where the chief leaves what all workers train.

    Args:
        checkpoints: The recipe's.
    """
    return checkpoints / "job.json"


def lead(fn_args: Any) -> None:
    """Trains as the chief, while the other machines' workers train along.

    Args:
        fn_args: TFX's `FnArgs`.

    Raises:
        EnvironmentProblem: TF_CONFIG is missing, or makes this process another worker.
        TrainyardError: What stopped the training.
    """
    from trainyard.trainer_modules.harness import distribution
    from trainyard.trainer_modules.harness.config import TrainerConfig

    settings = TrainerConfig.from_custom_config(fn_args.custom_config).trainer.distribution
    if not distribution.is_chief(settings):
        raise EnvironmentProblem(
            "this process is not the chief by its TF_CONFIG",
            where=f"{distribution.WHERE}.name",
            hint="`trainyard run` belongs on the chief; here, start `trainyard worker RECIPE`",
        )
    file = job_file(Path(fn_args.custom_config["checkpoints"]))
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_suffix(".partial")
    job = {name: getattr(fn_args, name, None) for name in _ARGUMENTS}
    beside.write_text(json.dumps(job), encoding="utf-8")
    beside.replace(file)
    try:
        run(file)
    finally:
        file.unlink(missing_ok=True)


def follow(checkpoints: Path, wait: float) -> None:
    """Trains as one of the other workers, once there is a job.

    Args:
        checkpoints: The recipe's, shared with the chief.
        wait: Seconds to wait for a job.

    Raises:
        EnvironmentProblem: No job came.
        TrainyardError: What stopped the training.
    """
    file = job_file(checkpoints)
    until = time.monotonic() + wait
    while not file.exists():
        if time.monotonic() > until:
            raise EnvironmentProblem(
                f"no job came within {wait:g} seconds",
                where=str(file),
                hint="start `trainyard run RECIPE` on the chief, with the same shared folder",
            )
        time.sleep(POLL_SECONDS)
    run(file)


def run(file: Path) -> None:
    """Runs a job in a process of its own, and passes on what it says.

    Args:
        file: What `lead` wrote.

    Raises:
        TrainyardError: What stopped the training.
    """
    command = [sys.executable, "-m", __name__, str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            _pass_on(line)
    if process.returncode:
        raise TrainingError(
            f"a worker ended with exit code {process.returncode}",
            hint="the stage's log has what TensorFlow said; look at the other workers too",
        )


def _pass_on(line: str) -> None:
    try:
        said = json.loads(line)
    except ValueError:
        sys.stdout.write(line)
        return
    if "error" in said:
        raise _error(said)
    progress.report(said["text"], said["fraction"])


def _error(said: Mapping[str, str]) -> TrainyardError:
    kind: type[TrainyardError] = getattr(errors, said["error"])
    fields = {name: said[name] for name in ("where", "expected", "received", "hint")}
    return kind(said["message"], **fields)


def _say(**said: Any) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


def main(file: Path) -> int:
    """Trains what a job says; the process's whole work.

    Args:
        file: What `lead` wrote.

    Returns:
        The exit code.
    """
    from trainyard.trainer_modules.harness import training

    job = json.loads(file.read_text(encoding="utf-8"))
    try:
        with progress.listening(lambda text, fraction: _say(text=text, fraction=fraction)):
            training.train(SimpleNamespace(**job))
    except TrainyardError as error:
        _say(error=type(error).__name__, **vars(error))
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
