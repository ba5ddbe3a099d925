"""Image files for the tests, each of one colour that tells which it is."""

from __future__ import annotations

from pathlib import Path

from PIL import Image


def write(file: Path, level: int = 128, size: tuple[int, int] = (12, 8), **options) -> Path:
    """Writes a picture of one grey level, as colours; the suffix says the format."""
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (level, level, level)).save(file, **options)
    return file


def class_folders(root: Path, counts: dict[str, int]) -> Path:
    """Writes folders of PNG images, no two of them equal."""
    for number, (folder, count) in enumerate(counts.items()):
        for i in range(count):
            write(root / folder / f"{i:03d}.png", level=i % 256, size=(12 + number, 8))
    return root
