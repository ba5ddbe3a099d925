"""CVE-2023-47248: no process of Trainyard runs code from a Parquet file that it opens."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests import hostile
from trainyard.components.example_gen import parquet_files
from trainyard.errors import DataError
from trainyard.recipe_schema import Data

RECIPE = """\
name: hostile
data: {path: rows.parquet, format: parquet}
label: y
task: binary
"""
COMMANDS = {
    "new": ["new", "new.yaml", "--data", "rows.parquet", "--label", "y"],
    "check": ["check", "recipe.yaml"],
    "run": ["run", "recipe.yaml"],
    "retrain": ["retrain", "recipe.yaml"],
    "predict": ["predict", "recipe.yaml", "--input", "rows.parquet", "--output", "out.csv"],
    "schema infer": ["schema", "infer", "recipe.yaml", "-o", "schema.pbtxt"],
}


def python(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


@pytest.mark.parametrize("arguments", COMMANDS.values(), ids=COMMANDS)
def test_no_command_runs_code_from_a_parquet_file(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = tmp_path / "code has run"
    hostile.write(tmp_path / "rows.parquet", marker)
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    (tmp_path / "home/serving/hostile/1").mkdir(parents=True)  # for predict
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1]))

    ended = python("-m", "trainyard", *arguments, cwd=tmp_path)

    assert not marker.exists()
    assert ended.returncode == DataError.exit_code, ended.stderr
    assert ended.stderr.count("error: ") == 1
    for word in ("rows.parquet", "'code'", "would run code", "what to do"):
        assert word in ended.stderr
    assert not {"out.csv", "new.yaml", "schema.pbtxt"} & {f.name for f in tmp_path.iterdir()}


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("serialized", [b"", b"\xff no pickle"])
def test_the_error_names_the_column_whatever_the_pickle(
    tmp_path: Path, nested: bool, serialized: bytes
) -> None:
    file = tmp_path / "rows.parquet"
    hostile.write(file, tmp_path / "marker", nested=nested, serialized=serialized)

    for opens in (parquet_files.schema_types, lambda *a: list(parquet_files.batches(*a))):
        with pytest.raises(DataError, match="column 'code'"):
            opens(Data(path=str(file)), file)

    assert not (tmp_path / "marker").exists()


@pytest.mark.parametrize(
    "imports", ["trainyard, pyarrow", "pyarrow, trainyard", "trainyard.serving, pandas, pyarrow"]
)
def test_the_hotfix_is_in_place_whichever_is_imported_first(imports: str) -> None:
    ended = python("-c", f"import {imports}; assert pyarrow._hotfix_installed")

    assert ended.returncode == 0, ended.stderr


def test_the_hotfix_does_not_import_pyarrow_before_it_is_used() -> None:
    asks = "import sys, trainyard.pipeline.cli; sys.exit('pyarrow' in sys.modules)"

    assert python("-c", asks).returncode == 0
