"""Whether this machine can run Trainyard, in plain words: `trainyard doctor`.

Nothing here imports TensorFlow: it is tried in a process of its own, so that a
missing processor instruction is a finding, not the end of the doctor.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from trainyard.data import homes
from trainyard.errors import EnvironmentProblem
from trainyard.pipeline import quiet, workspace
from trainyard.pipeline.beam import java
from trainyard.progress import report
from trainyard.wording import counted

if TYPE_CHECKING:
    from packaging.requirements import Requirement
    from rich.console import RenderableType

State = Literal["ok", "warning", "failed"]

_GIBIBYTE = 2**30
_TENSORFLOW_SECONDS = 60
_REINSTALL = "install again from the lock file: uv pip sync requirements.lock (or: make demo)"
_TRY_TENSORFLOW = """
import json, tensorflow as tf
total = float(tf.reduce_sum(tf.matmul(tf.ones([64, 64]), tf.ones([64, 64]))))
gpus = [tf.config.experimental.get_device_details(g).get("device_name", g.name)
        for g in tf.config.list_physical_devices("GPU")]
print(json.dumps({"total": total, "gpus": gpus, "cuda": tf.test.is_built_with_cuda()}))
"""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: What was looked at, such as `free memory`.
        state: `failed` if a run cannot work, `warning` if it may be slow or stop half way.
        finding: What was found, in a sentence.
        advice: What to do about it; empty if nothing.
    """

    name: str
    state: State
    finding: str
    advice: str = ""


def checks() -> list[Check]:
    """Looks at everything a run needs; takes about ten seconds.

    Returns:
        One check or more for each subject, in the order to read them in.
    """
    found: list[Check] = []
    for done, (subject, look) in enumerate(_SUBJECTS.items()):
        report(f"looking at {subject}", done / len(_SUBJECTS))
        found += look()
    return found


def render(found: Iterable[Check]) -> RenderableType:
    """Draws the checks as a table with a closing sentence.

    Args:
        found: What `checks` returned.

    Returns:
        What a rich console prints.
    """
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    found = list(found)
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for check in found:
        text = Text(check.finding)
        if check.advice:
            text.append(f"\n→ {check.advice}", style="dim")
        mark, style = _MARKS[check.state]
        table.add_row(Text(mark, style=style), check.name, text)
    return Group(table, Text(), Text(conclusion(found), style="bold"))


def conclusion(found: Iterable[Check]) -> str:
    """Returns the sentence that sums the checks up."""
    states = [check.state for check in found]
    if "failed" in states:
        return "This machine cannot run Trainyard yet: see the lines marked with a cross."
    if "warning" in states:
        return "This machine can run Trainyard; the lines marked with ! are worth a look."
    return "This machine can run Trainyard."


_MARKS: dict[State, tuple[str, str]] = {
    "ok": ("✓", "green"),
    "warning": ("!", "yellow"),
    "failed": ("✗", "red"),
}


def _python() -> list[Check]:
    from packaging.specifiers import SpecifierSet

    running = platform.python_version()
    try:
        supported = SpecifierSet(metadata.metadata("trainyard")["Requires-Python"])
    except metadata.PackageNotFoundError:
        return [Check("Python", "failed", "Trainyard itself is not installed.", _REINSTALL)]
    if running in supported:
        return [Check("Python", "ok", f"Python {running} is one that Trainyard supports.")]
    finding = f"Python {running} runs here; Trainyard needs {supported}."
    return [Check("Python", "failed", finding, "uv venv --python 3.11, then install again")]


def _packages() -> list[Check]:
    from packaging.requirements import Requirement

    try:
        required = [Requirement(line) for line in metadata.requires("trainyard") or ()]
    except metadata.PackageNotFoundError:
        return []  # `_python` has already said so
    needed = [r for r in required if r.marker is None or r.marker.evaluate({"extra": ""})]
    wrong = [text for requirement in needed if (text := _mismatch(requirement))]
    if wrong:
        return [Check("packages", "failed", "; ".join(wrong) + ".", _REINSTALL)]
    core = ", ".join(f"{name} {metadata.version(name)}" for name in ("tfx", "tensorflow", "keras"))
    return [Check("packages", "ok", f"All {len(needed)} have the right version: {core}, ...")]


def _backend() -> list[Check]:
    try:
        quiet.require_backend()
    except EnvironmentProblem as problem:
        finding = f"{problem.message}; {quiet.BACKEND} is {problem.received}."
        return [Check("Keras", "failed", finding, problem.hint)]
    return [Check("Keras", "ok", "Keras runs on TensorFlow.")]


def _mismatch(requirement: Requirement) -> str:
    try:
        installed = metadata.version(requirement.name)
    except metadata.PackageNotFoundError:
        return f"{requirement.name} is not installed"
    if requirement.specifier.contains(installed, prereleases=True):
        return ""
    return f"{requirement.name} {installed} is installed, {requirement.specifier} is needed"


def _tensorflow() -> list[Check]:
    try:
        ended = subprocess.run(
            [sys.executable, "-c", _TRY_TENSORFLOW],
            capture_output=True,
            text=True,
            timeout=_TENSORFLOW_SECONDS,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )
    except subprocess.TimeoutExpired:
        finding = f"TensorFlow did not start within {_TENSORFLOW_SECONDS} seconds."
        return [Check("TensorFlow", "warning", finding, "is the machine busy? try again")]
    if ended.returncode:
        return [_tensorflow_failure(ended.returncode, ended.stderr)]
    answer = json.loads(ended.stdout.strip().splitlines()[-1])
    if answer["total"] != 64.0**3:
        finding = f"TensorFlow multiplies wrongly: {answer['total']} instead of {64.0**3}."
        return [Check("TensorFlow", "failed", finding, _REINSTALL)]
    started = Check("TensorFlow", "ok", "TensorFlow starts and calculates.")
    return [started, _gpu(answer["gpus"])]


def _tensorflow_failure(status: int, stderr: str) -> Check:
    if status == -signal.SIGILL or (status < 0 and "compiled to use" in stderr):
        finding = "TensorFlow needs processor instructions (AVX) that this processor has not got."
        return Check("TensorFlow", "failed", finding, "use a machine with a newer processor")
    if status < 0:
        finding = f"TensorFlow was ended by {signal.Signals(-status).name} as it started."
        return Check("TensorFlow", "failed", finding, "is there enough memory? then reinstall")
    last = (stderr.strip().splitlines() or ["no message"])[-1]
    return Check("TensorFlow", "failed", f"TensorFlow does not start: {last}", _REINSTALL)


def _gpu(names: list[str]) -> Check:
    if names:
        return Check("GPU", "ok", f"Training uses the GPU: {', '.join(names)}.")
    if shutil.which("nvidia-smi"):
        finding = "There is an NVIDIA driver, but TensorFlow does not see a GPU; the CPU trains."
        return Check("GPU", "warning", finding, "install the GPU libraries: uv pip install .[gpu]")
    finding = "There is no GPU: training uses the CPU, which is fine for tables of numbers and text"
    return Check("GPU", "ok", f"{finding}, and slow for large image models.")


def _processor() -> list[Check]:
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    if cores > 1:
        return [Check("processor", "ok", f"{counted(cores, 'core')} may be used.")]
    return [Check("processor", "warning", "Only one core may be used: runs will be slow.")]


def _memory() -> list[Check]:
    import psutil

    free = min(psutil.virtual_memory().available, _container_memory())
    finding = f"{free / _GIBIBYTE:.1f} GiB of memory are free."
    return [_enough("memory", free, finding, 1.5, 3.0, "close other programs")]


def _container_memory() -> float:
    """Bytes the control group leaves, which `available` does not know about."""
    group = Path("/sys/fs/cgroup")
    try:
        limit = int((group / "memory.max").read_text())
        return limit - int((group / "memory.current").read_text())
    except (OSError, ValueError):  # no such file, or the word "max"
        return float("inf")


def _folders() -> list[Check]:
    temporary = Path(tempfile.gettempdir())
    return [
        _folder("output folder", workspace.home(), "TRAINYARD_HOME"),
        _folder("cache folder", homes.cache(), "TRAINYARD_CACHE"),
        _folder("temporary folder", temporary, "TMPDIR"),
    ]


def _folder(name: str, folder: Path, setting: str) -> Check:
    advice = f"make room there, or set {setting} to another folder that can be written"
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    try:
        with tempfile.TemporaryFile(dir=existing) as trial:
            trial.write(b"trainyard")
    except OSError as error:
        return Check(name, "failed", f"{folder} cannot be written: {error.strerror}.", advice)
    free = shutil.disk_usage(existing).free
    finding = f"{folder} can be written; {free / _GIBIBYTE:.1f} GiB are free."
    return _enough(name, free, finding, 0.2, 2.0, advice)


def _enough(
    name: str, free: float, finding: str, least: float, comfortable: float, advice: str
) -> Check:
    """Grades free bytes: `failed` under `least` GiB, `warning` under `comfortable` GiB."""
    if free >= comfortable * _GIBIBYTE:
        return Check(name, "ok", finding)
    state: State = "warning" if free >= least * _GIBIBYTE else "failed"
    return Check(name, state, f"{finding} A run wants {comfortable:g} GiB.", advice)


def _data_home() -> list[Check]:
    setting = os.environ.get("TRAINYARD_DATA_HOME")
    name = "public data"
    if setting is None:
        finding = "TRAINYARD_DATA_HOME is not set: public data sets are downloaded into the cache."
        return [Check(name, "ok", finding)]
    folder = Path(setting).absolute()
    if not folder.is_dir():
        finding = f"TRAINYARD_DATA_HOME says {setting}, which is no folder."
        return [Check(name, "failed", finding, "correct it, or unset it to use the cache folder")]
    if not os.access(folder, os.R_OK | os.X_OK):
        finding = f"TRAINYARD_DATA_HOME says {setting}, which cannot be read."
        return [Check(name, "failed", finding, "ask for permission to read it, or unset it")]
    return [Check(name, "ok", f"Public data sets are read from {folder}.")]


def _tools() -> list[Check]:
    optional = {
        "uv": "installs and updates the Python packages",
        "mvn": "fetches the job server for Beam on Flink or Spark",
    }
    present = {name: shutil.which(name) is not None for name in optional}
    tools = [
        Check(f"{name} (optional)", "ok", f"{'Found' if present[name] else 'Not found'}; {use}.")
        for name, use in optional.items()
    ]
    return [*tools, _java()]


def _java() -> Check:
    name, use = "java (optional)", "only for Beam on Flink or Spark"
    launcher = java.launcher()
    if launcher is None:
        return Check(name, "ok", f"Not found; {use}.")
    try:
        version = java.version(launcher)
    except EnvironmentProblem as problem:
        return Check(name, "warning", f"{launcher} does not start; {use}.", problem.hint)
    finding = f"Java {version} was found; {use}."
    if java.OLDEST <= version <= java.NEWEST:
        return Check(name, "ok", finding)
    return Check(name, "warning", finding, f"Flink wants Java {java.OLDEST} to {java.NEWEST}")


_SUBJECTS: dict[str, Callable[[], list[Check]]] = {
    "Python": _python,
    "installed packages": _packages,
    "Keras's backend": _backend,
    "TensorFlow (starting it takes a few seconds)": _tensorflow,
    "the processor": _processor,
    "memory": _memory,
    "folders and disk": _folders,
    "public data": _data_home,
    "optional tools": _tools,
}
