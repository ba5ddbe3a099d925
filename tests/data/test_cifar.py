"""CIFAR-10 from a small archive that is laid out as the publisher's.

Source of the layout: https://www.cs.toronto.edu/~kriz/cifar.html. The publisher's archive itself
has not been downloaded for this.
"""

from __future__ import annotations

import dataclasses
import io
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from PIL import Image

from trainyard.data import cifar, datasets, homes
from trainyard.errors import DataError

NAMES = [b"airplane", b"automobile", b"bird", b"cat", b"deer"]
NAMES += [b"dog", b"frog", b"horse", b"ship", b"truck"]
BATCHES = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]


def pixels(batch: str) -> np.ndarray:
    """Twenty images, red, green and blue plane in turn, as the publisher stores them."""
    return np.random.default_rng(BATCHES.index(batch)).integers(0, 256, (20, 3072), np.uint8)


def archive(file: Path, without: str = "") -> Path:
    members = {"batches.meta": {b"label_names": NAMES, b"num_vis": 3072}}
    for batch in BATCHES:
        labels = [i % 10 for i in range(20)]
        members[batch] = {b"data": pixels(batch), b"labels": labels, b"batch_label": batch.encode()}
    members.pop(without, None)
    file.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(file, "w:gz") as tar:
        for name, content in members.items():
            data = pickle.dumps(content, protocol=2)
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return file


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("TRAINYARD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TRAINYARD_DATA_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def register(monkeypatch, archive: Path) -> None:
    """Makes the small archive the one that is meant."""
    dataset = datasets.find("cifar10")
    (file,) = dataset.files
    original = dataclasses.replace(file.originals[0], digest=homes.digest(archive))
    small = dataclasses.replace(file, originals=(original,))
    changed = dataclasses.replace(dataset, files=(small,))
    monkeypatch.setitem(datasets.DATASETS, "cifar10", changed)


def test_the_images_are_those_of_the_archive(home, monkeypatch):
    register(monkeypatch, archive(home / "cifar10/cifar-10-python.tar.gz"))
    folder = Path(datasets.fetch("cifar10"))
    files = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*.parquet"))
    assert files == ["test/test_batch.parquet", *(f"train/{b}.parquet" for b in BATCHES[:5])]
    table = pyarrow.parquet.read_table(folder / "train/data_batch_3.parquet")
    assert table["label"].to_pylist()[:3] == ["airplane", "automobile", "bird"]
    seen = np.asarray(Image.open(io.BytesIO(table["image"][7].as_py())))
    assert seen.shape == (32, 32, 3)
    for channel in range(3):
        plane = pixels("data_batch_3")[7].reshape(3, 1024)[channel]
        np.testing.assert_array_equal(seen[:, :, channel].ravel(), plane)


def test_it_is_unpacked_once(home, monkeypatch):
    file = archive(home / "cifar10/cifar-10-python.tar.gz")
    register(monkeypatch, file)
    first = datasets.fetch("cifar10")
    file.unlink()
    assert datasets.fetch("cifar10") == first
    assert [path.name for path in Path(first).parent.iterdir()] == [Path(first).name]


def test_an_archive_with_another_digest_is_refused_unread(home, monkeypatch):
    archive(home / "cifar10/cifar-10-python.tar.gz")
    monkeypatch.setattr(pickle, "load", None)
    with pytest.raises(DataError, match="not the one that Trainyard knows"):
        datasets.fetch("cifar10")


@pytest.mark.parametrize("without", ["batches.meta", "data_batch_4"])
def test_another_layout(tmp_path, without):
    file = archive(tmp_path / "a.tar.gz", without)
    (tmp_path / "out").mkdir()
    with pytest.raises(DataError, match=f"(?s)not the archive of CIFAR-10.*{without}"):
        cifar.unpack(file, tmp_path / "out")


def test_no_archive_at_all(tmp_path):
    (tmp_path / "a.tar.gz").write_bytes(b"nothing")
    with pytest.raises(DataError, match="not the archive of CIFAR-10"):
        cifar.unpack(tmp_path / "a.tar.gz", tmp_path)
