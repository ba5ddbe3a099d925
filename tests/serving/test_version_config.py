from __future__ import annotations

import subprocess
import sys

import pytest

from trainyard.errors import RecipeError
from trainyard.model_store import version_config


def test_without_a_file_nothing_is_labelled(base):
    assert version_config.read(base) == version_config.ModelConfig()


def test_labels_are_set_moved_and_taken_away(base):
    version_config.label(base, {"stable": 1, "canary": 1})
    version_config.label(base, {"canary": None, "other": None})
    assert dict(version_config.read(base).version_labels) == {"stable": 1}


def test_the_file_is_a_model_config_of_tensorflow_serving(base):
    config = version_config.ModelConfig(name="n", base_path="/elsewhere")
    config.model_version_policy.specific.versions.append(1)
    config.version_labels["stable"] = 1
    version_config.write(base, config)
    assert (base / version_config.FILE).read_text() == (
        "model_version_policy {\n  specific {\n    versions: 1\n  }\n}\n"
        'version_labels {\n  key: "stable"\n  value: 1\n}\n'
    )


def test_a_version_that_is_not_there_gets_no_label(base):
    with pytest.raises(RecipeError, match=r"no version 7(.|\n)*choose one of: 1"):
        version_config.label(base, {"stable": 7})


def test_a_file_that_is_no_config_is_an_error(base):
    (base / version_config.FILE).write_text("labels: [stable]")
    with pytest.raises(RecipeError, match="no ModelConfig"):
        version_config.read(base)


WRITER = """
import sys
from pathlib import Path
from trainyard.model_store import version_config
for version in [1, None] * 25 + [1]:
    version_config.label(Path(sys.argv[1]), {sys.argv[2]: version})
"""


def test_writers_do_not_undo_one_another(base):
    names = ["stable", "canary", "other"]
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(base), n]) for n in names]
    assert [writer.wait(60) for writer in writers] == [0, 0, 0]
    assert version_config.read(base).version_labels.keys() == set(names)
