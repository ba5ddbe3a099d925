"""What counts as the code of a stage."""

import textwrap
from pathlib import Path

import pytest

import trainyard
from trainyard import sources
from trainyard.pipeline.runners import code_changes

ROOT = Path(trainyard.__path__[0])


def names(*modules):
    return {str(file.relative_to(ROOT)) for file in sources.closure(modules)}


def test_example_gens_code_is_what_it_imports():
    found = names("trainyard.components.example_gen.component")
    assert {
        "components/example_gen/driver.py",
        "components/example_gen/executor.py",
        "components/records/encoder.py",
        "expressions.py",
        "recipe_schema/data.py",
    } <= found
    assert not any(name.startswith(("pipeline/", "trainer_modules/")) for name in found)


def test_pushers_code_has_the_contract_check():
    found = names("trainyard.components.pusher.component")
    assert {"components/pusher/contract.py", "trainer_modules/harness/export.py"} <= found


@pytest.mark.parametrize(
    "component",
    ["evaluator", "example_gen", "example_validator", "gate", "pusher", "statistics_gen"],
)
def test_every_component_counts_its_own_executor(component):
    found = names(f"trainyard.components.{component}.component")
    assert f"components/{component}/executor.py" in found


def test_other_trainer_modules_do_not_count():
    folder = "trainyard.trainer_modules"
    found = names(f"{folder}.harness.training", f"{folder}.mlp")
    assert {"trainer_modules/mlp.py", "trainer_modules/harness/training.py"} <= found
    assert "trainer_modules/cnn.py" not in found


@pytest.fixture
def package(tmp_path):
    """A package whose `a` imports `b` in a function, and `c` for type checkers."""
    folder = tmp_path / "own"
    (folder / "sub").mkdir(parents=True)
    files = {
        "__init__.py": "",
        "sub/__init__.py": "import own.always",
        "always.py": "",
        "a.py": """
            import os
            from typing import TYPE_CHECKING

            if TYPE_CHECKING:
                from own.c import C

            def f():
                from own.sub import b, value
            """,
        "sub/b.py": "import own",
        "c.py": "",
    }
    for name, text in files.items():
        (folder / name).write_text(textwrap.dedent(text))
    return folder


def test_a_closure(package):
    found = {str(file.relative_to(package)) for file in sources.closure(["own.a"], package)}
    assert found == {"__init__.py", "a.py", "always.py", "sub/__init__.py", "sub/b.py"}
    assert sources.closure(["another.a", "", "own.absent"], package) == [package / "__init__.py"]


CODE = '''"""Says."""
import os
LIMIT = 3
"""Of rows."""
class A:
    """Is."""
    def f(self):
        """Does."""
        return f"{LIMIT}"
'''


@pytest.mark.parametrize(
    ("before", "after", "counts"),
    [
        ("Says.", "Says more.", False),
        ("Of rows.", "Of columns.", False),
        ("Is.", "Was.", False),
        ("Does.", "Does not.", False),
        ("LIMIT = 3", "LIMIT  =  3  # rows", False),
        ("LIMIT = 3", "LIMIT = 4", True),
        ("{LIMIT}", "at most {LIMIT}", True),
        ("import os", "import sys as os", True),
    ],
)
def test_what_is_for_readers_only_does_not_count(tmp_path, before, after, counts):
    one, other = tmp_path / "one.py", tmp_path / "other.py"
    one.write_text(CODE)
    other.write_text(CODE.replace(before, after))
    assert (sources.code(one).digest != sources.code(other).digest) == counts


def test_a_file_that_changes_is_read_again(tmp_path):
    file = tmp_path / "one.py"
    file.write_text("a = 1")
    first = sources.code(file)
    file.write_text("a = 10")
    assert sources.code(file) != first


def test_the_reason_names_the_file(tmp_path, monkeypatch):
    modules = ["trainyard.components.example_gen.component"]
    before = sources.digest(modules)
    code_changes.keep(tmp_path, {"custom_config.code": before, "span": "3"})
    original = sources.code

    def edited(file):
        found = original(file)
        return found._replace(digest="edited") if file.name == "expressions.py" else found

    monkeypatch.setattr(sources, "code", edited)
    now = sources.digest(modules)
    monkeypatch.setattr(sources, "_digests", {now: sources.parts(now)})  # another process
    code_changes.keep(tmp_path, {"code": now})
    assert code_changes.reason(tmp_path, before, now) == "code changed: trainyard/expressions.py"
    assert code_changes.reason(tmp_path, "of before", now) == "code changed"


def test_other_versions_of_packages_are_other_code(monkeypatch, tmp_path):
    before = sources.digest(["trainyard.errors"])
    code_changes.keep(tmp_path, {"code": before})
    monkeypatch.setattr(sources, "version", lambda name: f"9 of {name}")
    now = sources.digest(["trainyard.errors"])
    assert code_changes.reason(tmp_path, before, now).startswith("code changed: apache-beam, keras")
