import gc
import json
import subprocess
import sys

import pytest

from trainyard.pipeline import frameworks

# What a local run imports, as far as it goes before the first stage, and what the stages add.
LOCAL_RUN = """
import importlib.util, json, sys
from trainyard.pipeline import frameworks

with frameworks.loading(cloud=False):
    from trainyard.pipeline import check, engines
    from trainyard.trainer_modules import mlp
    from trainyard.pipeline.runners import local, nodes
    engines._local()
    from trainyard.trainer_modules.harness import training
    from trainyard.pipeline import verdict
    from trainyard.pipeline.report import page

def is_lazy(name):
    return type(sys.modules.get(name)).__name__ == "_LazyModule"

loaded = [name for name in sys.modules if not is_lazy(name)]
lazy = [name for name in frameworks.ON_USE if is_lazy(name)]
there = [name for name in frameworks.OPTIONAL if importlib.util.find_spec(name)]
import keras
used = keras.wrappers.SKLearnClassifier.__name__
print(json.dumps({"loaded": loaded, "lazy": lazy, "there": there, "used": used}))
"""
UNWANTED = (
    "apache_beam.io.gcp",
    "google.api_core",
    "google.cloud.",  # with the dot: the bare namespace is made when the interpreter starts
    "googleapiclient.discovery",
    "keras._tf_keras",
    "kfp",
    "kubernetes",
    "matplotlib.pyplot",
    "tfx.v1",
)


@pytest.fixture(scope="module")
def found():
    ended = subprocess.run(
        [sys.executable, "-c", LOCAL_RUN], capture_output=True, text=True, check=True
    )
    return json.loads(ended.stdout.splitlines()[-1])


@pytest.mark.parametrize("unwanted", UNWANTED)
def test_a_local_run_loads_no(unwanted, found):
    assert "tfx.components" in found["loaded"]
    assert not [name for name in found["loaded"] if name.startswith(unwanted)]


def test_the_lists_name_what_the_pinned_versions_import(found):
    assert set(found["lazy"]) == frameworks.ON_USE
    assert set(found["there"]) == frameworks.OPTIONAL


def test_what_was_put_off_is_there_when_it_is_used(found):
    assert found["used"] == "SKLearnClassifier"


def test_afterwards_all_is_as_before():
    before = list(sys.meta_path)
    with pytest.raises(KeyError), frameworks.loading(cloud=False):
        assert not gc.isenabled()
        with pytest.raises(ModuleNotFoundError, match="left out of a local run"):
            sys.meta_path[0].find_spec("google.api_core", None)
        raise KeyError
    assert gc.isenabled()
    assert sys.meta_path == before


def test_beam_keeps_its_cloud_clients():
    with frameworks.loading(cloud=True):
        assert sys.meta_path[0].find_spec("google.api_core", None) is None
