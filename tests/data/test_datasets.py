"""Named data sets."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import io
import os
import tarfile
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from PIL import Image

from trainyard.data import datasets, embedded, homes, prepare
from trainyard.errors import DataError, EnvironmentProblem, RecipeError

REAL_HOME = os.environ.get("TRAINYARD_DATA_HOME", "")
EMBEDDED = {
    "breast_cancer": ("diagnosis", {"malignant": 212, "benign": 357}),
    "wine": ("cultivar", {"class_0": 59, "class_1": 71, "class_2": 48}),
    "iris": ("species", {"setosa": 50, "versicolor": 50, "virginica": 50}),
    "digits": ("digit", None),
    "diabetes": ("progression", None),
}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("TRAINYARD_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TRAINYARD_DATA_HOME", raising=False)
    return tmp_path / "cache"


@pytest.mark.parametrize("name", EMBEDDED)
def test_embedded(name):
    label, counts = EMBEDDED[name]
    file = Path(datasets.fetch(name))
    with file.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == datasets.find(name).rows
    assert list(rows[0])[-1] == label
    assert all(column.isidentifier() and column.islower() for column in rows[0])
    if counts:
        values = [row[label] for row in rows]
        assert {value: values.count(value) for value in values} == counts


def test_the_digits_are_scikit_learns():
    from sklearn.datasets import load_digits

    table = pyarrow.parquet.read_table(datasets.fetch("digits_images"))
    digits = load_digits()
    assert table["digit"].to_pylist() == digits.target.tolist()
    for place in (0, 1000, 1796):
        seen = np.asarray(Image.open(io.BytesIO(table["image"][place].as_py())))
        np.testing.assert_array_equal(np.rint(seen / 255 * 16), digits.images[place])


def test_a_folder_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAINYARD_DATA_HOME", str(tmp_path))
    (tmp_path / "ants_bees/train/ants").mkdir(parents=True)
    with pytest.raises(EnvironmentProblem, match=r"(?s)train/bees.*hymenoptera_data\.zip"):
        datasets.fetch("ants_bees")


def test_embedded_is_written_once(cache):
    file = Path(datasets.fetch("wine"))
    before = file.stat()
    assert Path(datasets.fetch("wine")).stat().st_mtime_ns == before.st_mtime_ns
    assert [path.name for path in file.parent.iterdir()] == ["wine.csv"]


def test_embedded_into_an_unwritable_place(cache):
    cache.write_text("a file")
    with pytest.raises(Exception, match="TRAINYARD_CACHE"):
        datasets.fetch("wine")


def test_an_unknown_name():
    with pytest.raises(RecipeError, match="did you mean 'adult'"):
        datasets.find("adults")


@pytest.mark.parametrize("name", datasets.DATASETS)
def test_registry(name):
    dataset = datasets.find(name)
    assert dataset.licence
    assert dataset.homepage.startswith("https://")
    for file in dataset.files:
        if isinstance(file, datasets.PublicFile):
            assert file.address.startswith("https://")
            assert len(file.sha256) == len(file.raw_sha256 or file.sha256) == 64


def test_prepare_adult():
    raw = b"|1x3 Cross validator\n25, Private, 1, <=50K.\n38, ?, 2, >50K.\n\n"
    assert prepare.adult("a,b,c,d", raw) == b"a,b,c,d\n25,Private,1,<=50K\n38,?,2,>50K\n"


def test_prepare_spaced():
    assert prepare.spaced("a,b", b" 0.5  18.00\n1 2\n") == b"a,b\n0.5,18.00\n1,2"


def test_a_member_of_an_archive():
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        info = tarfile.TarInfo("folder/file")
        info.size = 3
        archive.addfile(info, io.BytesIO(b"abc"))
    assert prepare.member("folder/file", stream.getvalue()) == b"abc"
    with pytest.raises(ValueError, match="no folder/other"):
        prepare.member("folder/other", stream.getvalue())
    with pytest.raises(ValueError, match="no x"):
        prepare.member("x", b"no archive")


def test_first_lines():
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("f.txt", "a\nb\nc\n")
    assert prepare.first_lines("f.txt", 2, stream.getvalue()) == b"a\nb\n"
    for name, raw in (("g.txt", stream.getvalue()), ("f.txt", b"no archive")):
        with pytest.raises(ValueError, match="in the archive"):
            prepare.first_lines(name, 2, raw)


def test_snake_case():
    names = {"mean radius": "mean_radius", "petal length (cm)": "petal_length_cm"}
    assert {name: embedded.snake_case(name) for name in names} == names


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def public(tmp_path, monkeypatch):
    """A public data set of two files, served from this machine in raw form."""
    folder = tmp_path / "served"
    folder.mkdir()
    files = []
    for name in ("one", "two"):
        raw = f"1, {name}\n".encode()
        (folder / name).write_bytes(raw)
        prepared = sha256(f"a,b\n1,{name}\n".encode())
        files.append((name, prepared, sha256(raw)))
    handler = partial(Quiet, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=partial(server.serve_forever, 0.02), daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        dataset = datasets.Dataset(
            "pair",
            "Two files",
            2,
            "none",
            "https://example.org",
            tuple(
                datasets.PublicFile(
                    f"pair/{name}.csv",
                    prepared,
                    f"{address}/{name}",
                    raw,
                    partial(prepare.adult, "a,b"),
                )
                for name, prepared, raw in files
            ),
        )
        monkeypatch.setitem(datasets.DATASETS, "pair", dataset)
        yield dataset
        server.shutdown()


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def test_public_is_fetched_prepared_and_verified(public, cache):
    pattern = datasets.fetch("pair")
    assert pattern == str(cache / "datasets" / "pair" / "*.csv")
    found = {path.name: path.read_text() for path in (cache / "datasets" / "pair").iterdir()}
    assert found == {"one.csv": "a,b\n1,one\n", "two.csv": "a,b\n1,two\n"}


def test_public_at_hand_is_not_fetched(public, tmp_path, monkeypatch):
    home = tmp_path / "home"
    (home / "pair").mkdir(parents=True)
    for name in ("one", "two"):
        (home / "pair" / f"{name}.csv").write_text(f"a,b\n1,{name}\n")
    monkeypatch.setenv("TRAINYARD_DATA_HOME", str(home))
    monkeypatch.setattr(datasets, "download", lambda *_: pytest.fail("downloaded"))
    assert datasets.fetch("pair") == str(home / "pair" / "*.csv")


def test_public_but_another_file(public, cache):
    datasets.fetch("pair")
    (cache / "datasets" / "pair" / "one.csv").write_text("changed")
    with pytest.raises(DataError, match="not the one"):
        datasets.fetch("pair")


def test_public_raw_file_put_there_by_hand(public, cache, monkeypatch):
    datasets.fetch("pair")
    folder = cache / "datasets" / "pair"
    (folder / "one.csv").unlink()
    (folder / "one.csv.raw").write_text("1, one\n")
    monkeypatch.setattr(datasets, "download", lambda *_: pytest.fail("downloaded"))
    datasets.fetch("pair")
    assert sorted(path.name for path in folder.iterdir()) == ["one.csv", "two.csv"]


def test_a_publisher_who_changed_the_file(public, monkeypatch):
    changed = tuple(dataclasses.replace(file, raw_sha256="0" * 64) for file in public.files)
    monkeypatch.setitem(datasets.DATASETS, "pair", dataclasses.replace(public, files=changed))
    with pytest.raises(DataError, match="downloaded file is not the one"):
        datasets.fetch("pair")


def test_a_stranger_among_the_files(public, cache):
    datasets.fetch("pair")
    (cache / "datasets" / "pair" / "three.csv").write_text("a,b\n")
    with pytest.raises(DataError, match=r"three\.csv"):
        datasets.fetch("pair")


def test_a_publisher_who_changed_the_archive(public, monkeypatch):
    changed = tuple(
        dataclasses.replace(file, prepare=partial(prepare.member, "one")) for file in public.files
    )
    monkeypatch.setitem(datasets.DATASETS, "pair", dataclasses.replace(public, files=changed))
    with pytest.raises(DataError, match=r"(?s)not as Trainyard knows it: no one.*data\.path"):
        datasets.fetch("pair")


@pytest.mark.parametrize(
    ("names", "expected"),
    [(["a.csv"], "a.csv"), (["a.csv", "b.csv"], "*.csv"), (["t.pos", "t.neg"], "t*")],
)
def test_patterns(names, expected):
    files = tuple(datasets.EmbeddedFile(f"x/{name}", bytes) for name in names)
    found = dataclasses.replace(datasets.find("wine"), files=files).pattern
    assert Path(found).name == expected


def test_verified_once(tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.write_text("content")
    counted = []
    digest = homes.digest
    monkeypatch.setattr(homes, "digest", lambda *of: counted.append(of) or digest(*of))
    for _ in range(3):
        homes.verify(file, sha256(b"content"))
    assert len(counted) == 1
    file.write_text("other content")
    with pytest.raises(DataError):
        homes.verify(file, sha256(b"content"))


REAL = ["taxi", "adult", "housing", "mnist", "reviews", "shakespeare", "translation"]


@pytest.mark.parametrize("name", REAL)
def test_the_real_files(name, monkeypatch):
    monkeypatch.setenv("TRAINYARD_DATA_HOME", REAL_HOME)
    for file in datasets.find(name).files:
        if not REAL_HOME or not file.place.is_file():
            pytest.skip(f"TRAINYARD_DATA_HOME has no {file.path}")
        file.provide()


ADULT_RAW = {
    "adult/train.csv": lambda rows: "".join(f"{row}\n" for row in [*rows, ""]),
    "adult/test.csv": lambda rows: "".join(
        f"{row}\n" for row in ["|1x3 Cross validator", *[f"{row}." for row in rows], ""]
    ),
}


@pytest.mark.parametrize("path", ADULT_RAW)
def test_adults_raw_file_is_the_prepared_one_undone(path, monkeypatch):
    """Proves the digests of the raw files without a network."""
    monkeypatch.setenv("TRAINYARD_DATA_HOME", REAL_HOME)
    file = next(file for file in datasets.find("adult").files if file.path == path)
    if not REAL_HOME or not file.place.is_file():
        pytest.skip(f"TRAINYARD_DATA_HOME has no {path}")
    rows = [row.replace(",", ", ") for row in file.place.read_text().splitlines()[1:]]
    raw = ADULT_RAW[path](rows).encode()
    assert sha256(raw) == file.raw_sha256
    assert sha256(file.prepare(raw)) == file.sha256


def test_housings_raw_file_is_the_prepared_one_undone(monkeypatch):
    monkeypatch.setenv("TRAINYARD_DATA_HOME", REAL_HOME)
    (file,) = datasets.find("housing").files
    if not REAL_HOME or not file.place.is_file():
        pytest.skip("TRAINYARD_DATA_HOME has no housing/housing.csv")
    widths = [8, 7, 8, 3, 8, 8, 7, 8, 4, 7, 7, 7, 7, 7]
    rows = [row.split(",") for row in file.place.read_text().splitlines()[1:]]
    lines = ["".join(v.rjust(w) for v, w in zip(row, widths, strict=True)) for row in rows]
    raw = "".join(f"{line}\n" for line in lines).encode()
    assert sha256(raw) == file.raw_sha256
    assert sha256(file.prepare(raw)) == file.sha256


def test_no_digit_of_a_pair_is_in_two_groups(cache):
    table = pyarrow.parquet.read_table(datasets.fetch("digit_pairs")).to_pandas()
    assert len(table) == datasets.DATASETS["digit_pairs"].rows
    assert abs(table["same"].mean() - 0.5) < 0.02
    groups = [set(rows["left"]) | set(rows["right"]) for _, rows in table.groupby("group")]
    assert sum(map(len, groups)) == len(set.union(*groups))
