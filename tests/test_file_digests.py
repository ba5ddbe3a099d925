import os
from pathlib import Path

import pytest

from trainyard import file_digests


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAINYARD_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(file_digests, "_SETTLED_NS", -1)  # every file counts as settled
    return tmp_path / "home"


@pytest.fixture
def reads(monkeypatch):
    """The files that were opened."""
    opened, original = [], Path.open

    def counted(path, *args, **kwargs):
        opened.append(path.name)
        return original(path, *args, **kwargs)

    monkeypatch.setattr(Path, "open", counted)
    return opened


def written(file, text):
    file.write_text(text)
    return file


def test_what_has_not_changed_is_read_once(tmp_path, reads):
    file = written(tmp_path / "a.csv", "1")
    first = file_digests.digest(file)
    assert file_digests.digest(file) == first
    assert reads.count("a.csv") == 2  # to write it, and to read it once


def test_the_same_size_and_time_with_other_content(tmp_path):
    file = written(tmp_path / "a.csv", "one")
    state, first = file.stat(), file_digests.digest(file)
    written(file, "two")
    os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (state.st_size, state.st_mtime_ns)
    assert file_digests.digest(file) != first


def test_a_fresh_file_is_not_trusted(tmp_path, monkeypatch, home):
    monkeypatch.setattr(file_digests, "_SETTLED_NS", 2_000_000_000)
    file_digests.digest(written(tmp_path / "a.csv", "one"))
    assert not home.exists()


def test_swapped_names_are_swapped_digests(tmp_path):
    a, b = written(tmp_path / "a", "1"), written(tmp_path / "b", "2")
    first = [file_digests.digest(file) for file in (a, b)]
    a.rename(tmp_path / "c")
    b.rename(a)
    (tmp_path / "c").rename(b)
    assert [file_digests.digest(file) for file in (b, a)] == first


def test_a_folder_is_its_files_by_name(tmp_path):
    folder = tmp_path / "cats"
    (folder / "small").mkdir(parents=True)
    written(folder / "1.jpg", "x")
    written(folder / "small" / "2.jpg", "y")
    first = file_digests.digest(folder)
    written(folder / "1.jpg", "z")
    second = file_digests.digest(folder)
    (folder / "1.jpg").rename(folder / "3.jpg")
    assert len({first, second, file_digests.digest(folder)}) == 3


def test_broken_notes_and_files_that_are_gone_do_no_harm(tmp_path, home):
    home.mkdir()
    written(home / "file_digests.json", "{")
    file = written(tmp_path / "a", "1")
    first = file_digests.digest(file)
    file.unlink()
    written(tmp_path / "b", "1")
    assert file_digests.digest(tmp_path / "b") == first
    assert str(file) not in (home / "file_digests.json").read_text()
    with pytest.raises(OSError, match="No such file"):
        file_digests.digest(file)
