"""Every bad input of a user's: one clear error, the right exit code, nothing pushed."""

import shutil
import subprocess
import zlib

import numpy as np
import pytest

from tests.e2e.conftest import in_own_process
from trainyard.pipeline import records

RECIPE = """\
name: {name}
data: {{path: rows.csv, split: {{train: 6, eval: 2, test: 2}}{data}}}
label: y
task: binary
trainer: {{epochs: 2, params: {{hidden: [4]}}}}
evaluation: {evaluation}
"""
SCHEMA = """
feature {{ name: "a" type: FLOAT presence {{ min_fraction: 1.0 min_count: 1 }} }}
feature {{ name: "b" type: BYTES presence {{ min_fraction: 1.0 min_count: 1 }} domain: "b" }}
feature {{ name: "y" type: INT presence {{ min_fraction: 1.0 min_count: 1 }} }}
string_domain {{ name: "b" {values} }}
"""
PASSING = "{metrics: [auc], thresholds: []}"


def rows(count=200, seed=0):
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=count), rng.choice(["red", "blue"], count)
    noise = rng.normal(scale=0.5, size=count)
    return [f"{x:.3f},{word},{int(x + n > 0)}" for x, word, n in zip(a, b, noise, strict=True)]


def sound():
    return "\n".join(["a,b,y", *rows()]) + "\n"


@pytest.fixture
def recipe(tmp_path, request):
    """Writes a recipe and its data; every test has its own recipe name."""

    def write(content, *, data="", evaluation=PASSING, schema=False, text=None):
        name = f"bad_{zlib.crc32(request.node.name.encode()):08x}"
        if schema:
            values = " ".join(f'value: "{word}"' for word in ("red", "blue"))
            (tmp_path / "s.pbtxt").write_text(SCHEMA.format(values=values))
            data += ", schema: s.pbtxt"
        if content is not None:
            kind = "wb" if isinstance(content, bytes) else "w"
            with (tmp_path / "rows.csv").open(kind) as file:
                file.write(content)
        file = tmp_path / "recipe.yaml"
        file.write_text(text or RECIPE.format(name=name, data=data, evaluation=evaluation))
        return file

    return write


def refused(ended, code, *words, file):
    """The run ended with one error that says these words, and pushed nothing."""
    assert ended.code == code, ended.err + ended.out
    assert ended.err.startswith("error: ")
    assert ended.err.count("error: ") == 1
    assert "Traceback" not in ended.err
    for word in words:
        assert word in ended.err, ended.err
    name = file.read_text().split("name: ")[1].split("\n")[0]
    assert not list((records.workspace.home() / "serving" / name).glob("[0-9]*"))
    assert all(run.state not in ("pushed", "running") for run in records.all_runs(name))


def with_line(number, line):
    lines = sound().splitlines()
    lines[number] = line
    return "\n".join(lines) + "\n"


FILES = {
    "no such file": (None, ["no such file", "rows.csv"]),
    "empty file": ("", ["empty", "rows.csv"]),
    "header only": ("a,b,y\n", ["rows.csv", "no rows"]),
    "ragged row": (with_line(7, "1.0,red"), ["row 7", "2", "3"]),
    "unclosed quote": (with_line(9, '1.0,"red,1'), ["row 9", "quote"]),
    "wrong encoding": (
        with_line(5, "1.0,r\xe9d,1").encode("latin-1"),
        ["row 5", "utf-8", "encoding"],
    ),
    "duplicate columns": (sound().replace("a,b,y", "a,a,y"), ["'a'"]),
    "infinity": (with_line(11, "inf,red,1"), ["row 11", "'a'", "inf"]),
    "label column missing": (sound().replace("a,b,y", "a,b,z"), ["'y'"]),
}


@pytest.mark.parametrize("case", FILES)
def test_a_file_that_cannot_be_read(case, recipe, trainyard):
    content, words = FILES[case]
    file = recipe(content)
    code = 2 if case == "label column missing" else 3
    refused(trainyard("run", file), code, *words, file=file)


GATED = {
    "column missing": (sound().replace("a,b,y", "c,b,y"), ["'a'", "no such column"]),
    "another type": (sound().replace("red", "7").replace("blue", "8"), ["'b'"]),
    "text among numbers": (with_line(3, "many,red,1"), ["'a'", "FLOAT", "STRING"]),
    "new category": (with_line(3, "1.0,green,1"), ["'b'", "'green' in 1 row", "2 known values"]),
    "label missing in some rows": (with_line(3, "1.0,red,"), ["'y'", "no label in 1 of"]),
    "single-valued label": (
        "a,b,y\n" + "\n".join(row[:-1] + "1" for row in rows()) + "\n",
        ["'y'", "single value 1"],
    ),
    "all-missing column": (
        "c,a,b,y\n" + "\n".join(row.replace(",", ",,", 1) for row in rows()) + "\n",
        ["'a'", "no value in"],
    ),
    "too few rows": ("\n".join(sound().splitlines()[:20]) + "\n", ["at least 10 rows"]),
}


@pytest.mark.parametrize("case", GATED)
def test_data_that_the_gate_stops(case, recipe, trainyard):
    content, words = GATED[case]
    file = recipe(content, schema=True)
    ended = trainyard("run", file)
    if case == "another type":  # a curated BYTES column keeps numbers as text: new categories
        words = ["'b'", "known values"]
    refused(ended, 4, *words, file=file)
    assert records.find_run(None).stage("Gate").state == "failed"
    assert (records.find_run(None).folder / "report.html").exists()


RECIPES = {
    "unknown key": ("task: binary", "tusk: binary", ["'tusk'", "did you mean 'task'?"]),
    "wrong type": ("epochs: 2", "epochs: two", ["trainer.epochs", "'two'"]),
    "metric that does not fit": ("[auc]", "[mae]", ["mae", "binary"]),
    "unknown metric": ("[auc]", "[acu]", ["'acu'", "did you mean 'auc'?"]),
    "slice on no column": ("thresholds: []", "slices: [colour]", ["'colour'"]),
    "threshold that nothing meets": (
        "thresholds: []",
        "thresholds: [{metric: auc, min: 1.5}]",
        ["auc", "1.5"],
    ),
    "unknown module": ("trainer: {", "trainer: {module: mpl, ", ["'mpl'", "did you mean 'mlp'?"]),
    "unknown parameter": ("hidden: [4]", "hiden: [4]", ["'hiden'", "did you mean 'hidden'?"]),
    "unknown optimizer": ("trainer: {", "trainer: {optimizer: adma, ", ["adma", "adam"]),
    "loss that does not fit": ("trainer: {", "trainer: {loss: mse_, ", ["mse_"]),
    "a model that nobody pushed": (
        "params: {hidden: [4]}",
        "module: transfer, params: {weights: {recipe: nobody}}",
        ["'nobody' has pushed no such model", "run that recipe first"],
    ),
    "condition on no column": ("data: {", "data: {where: z > 1, ", ["'z'", "data"]),
    "condition of two kinds": ("data: {", "data: {where: a > 'x', ", ["(a number)", "'x' (text)"]),
    "condition that is none": ("data: {", "data: {where: a + 1, ", ["data.where", "comparison"]),
    "feature that is no column": ("task:", "features: {c: numeric}\ntask:", ["'c'"]),
}


@pytest.mark.parametrize("case", RECIPES)
def test_a_recipe_that_cannot_work(case, recipe, trainyard):
    before, after, words = RECIPES[case]
    file = recipe(sound())
    file.write_text(file.read_text().replace(before, after))
    refused(trainyard("run", file), 2, "recipe.yaml:", *words, file=file)


def test_a_threshold_that_this_model_misses(recipe, trainyard):
    file = recipe(sound(), evaluation="{metrics: [auc], thresholds: [{metric: auc, min: 1.0}]}")
    ended = trainyard("run", file)
    assert (ended.code, ended.err) == (6, "")
    assert "Not pushed" in ended.out
    assert "auc" in ended.out
    assert "at least 1" in ended.out


def test_a_thousand_columns_are_no_mistake(recipe, trainyard):
    rng = np.random.default_rng(0)
    table = rng.normal(size=(120, 1000))
    header = ",".join([*(f"c{i}" for i in range(1000)), "y"])
    lines = [",".join([*(f"{v:.3f}" for v in row), str(int(row[0] > 0))]) for row in table]
    ended = trainyard("run", recipe("\n".join([header, *lines]) + "\n"))
    assert ended.code == 0, ended.err


def test_a_diverging_training_says_what_to_try(recipe, trainyard):
    file = recipe(sound())
    file.write_text(
        file.read_text().replace(
            "trainer: {", "trainer: {optimizer: {name: sgd, learning_rate: 1.0e+30}, "
        )
    )
    refused(trainyard("run", file), 5, "diverged", "learning_rate", "clip_norm", file=file)


def test_a_module_that_is_wrong_shows_its_own_line_first(recipe, trainyard, monkeypatch):
    import keras

    from trainyard.trainer_modules import mlp

    file = recipe(sound())

    def broken(layers, vector, units):
        return keras.layers.Dense(units[0])(vector, nonsense=True)

    monkeypatch.setattr(mlp.dense.Stack, "__call__", broken)
    refused(trainyard("run", file), 2, "mlp.py:", "in build_model", "nonsense", file=file)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of a few megabytes; needs the right to mount."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no right to mount a tmpfs here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.mark.parametrize("left", [50_000, 450_000])
def test_a_full_disk(recipe, trainyard, small_disk, monkeypatch, left):
    monkeypatch.setenv("TRAINYARD_HOME", str(small_disk))
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"\0" * (3 * 1024 * 1024 - left))
    file = recipe(sound())
    ended = trainyard("run", file)
    assert ended.code == 8, ended.err
    assert "disk is full" in ended.err
    assert not list((small_disk / "serving").glob("*/[0-9]*"))
    ballast.unlink()


def test_a_read_only_root(recipe, trainyard, small_disk, monkeypatch):
    monkeypatch.setenv("TRAINYARD_HOME", str(small_disk / "home"))
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    ended = trainyard("run", recipe(sound()))
    assert ended.code == 8
    assert "cannot write" in ended.err
    assert "TRAINYARD_HOME" in ended.err


def test_two_runs_at_the_same_time(recipe, trainyard):
    from filelock import FileLock

    file = recipe(sound())
    name = file.read_text().split("name: ")[1].split("\n")[0]
    folder = records.workspace.home() / name
    folder.mkdir()
    with FileLock(folder / "run.lock"):
        ended = trainyard("run", file)
    assert ended.code == 9
    assert "being run already" in ended.err


def test_the_error_comes_first_on_a_real_terminal_too(recipe):
    ended = in_own_process("run", recipe(with_line(7, "1.0,red")))
    assert ended.returncode == 3
    assert ended.stderr.startswith("error: ")
    assert "row 7" in ended.stderr.splitlines()[0]


def test_quarantined_rows_are_reported_by_this_run_and_the_next(recipe, trainyard):
    lines = sound().splitlines()
    lines[50:50] = ["1,red", "inf,red,1"]
    file = recipe("\n".join(lines), data=", on_bad_row: quarantine")
    said = "2 of 202 rows were set aside: "
    for arguments in ((), ("--no-cache",), ("--from", "StatisticsGen")):
        ended = trainyard("run", file, *arguments)
        assert ended.code == 0, ended.err
        assert ended.out.count(said) == 1
        run = records.find_run(None)
        assert sum(said in sentence for sentence in run.verdict.sentences) == 1
        page = (run.folder / "report.html").read_text("utf-8")
        assert "2 of 202 rows could not be read" in page
        assert "wrong number of fields" in page
    assert run.stage("ExampleGen").state == "unchanged"
    aside = run.output("ExampleGen", "examples") / "quarantine" / "rows.jsonl"
    assert str(aside) in run.verdict.sentences[-1]
    assert [line.count('"row": 5') for line in aside.read_text().splitlines()] == [1, 1]
