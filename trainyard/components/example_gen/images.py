"""Puts images into the rows: checked, encoded, and measured in columns of numbers.

An image is a column of bytes; what is measured of it (size, channels,
brightness, contrast) are columns as any others, so that statistics, gate,
drift and slices of images are those of numbers.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from trainyard import file_digests
from trainyard.components.example_gen import image_check, input_splits, patterns, reader
from trainyard.components.example_gen.column_types import ColumnType
from trainyard.components.example_gen.image_check import ImageRefusedError, Prepared
from trainyard.components.example_gen.quarantine import BadRow
from trainyard.components.example_gen.reader import Block
from trainyard.errors import DataError, RecipeError, nearest_column
from trainyard.recipe_schema import Data, Images
from trainyard.wording import counted

PORTION_BYTES = 1 << 22
_MOST_ROWS = 1024
REMEDY = "or set bad images aside with `data.on_bad_row: quarantine`"
_INTEGERS = ("width", "height", "channels", "bytes")


class WithImages(NamedTuple):
    """Rows with their images.

    Attributes:
        block: The rows; those whose image cannot be used are among its bad ones.
        changes: How many images were encoded again, for each reason.
    """

    block: Block
    changes: Counter[str]


def columns(data: Data, types: Mapping[str, ColumnType]) -> dict[str, ColumnType]:
    """Returns the columns that rows have with their images.

    Args:
        data: The recipe's data section.
        types: From `reader.columns`.

    Raises:
        RecipeError: There is no such column, or a name is taken.
    """
    types = dict(types)
    for images in data.images:
        types = _with_image(data, images, types)
    return types


def _with_image(
    data: Data, images: Images, types: Mapping[str, ColumnType]
) -> dict[str, ColumnType]:
    source = images.origin
    if source not in types:
        raise RecipeError(
            f"there is no column {source!r} that images could come from",
            where="data.images",
            hint=nearest_column(source, types),
        )
    if types[source] in (ColumnType.INTEGER, ColumnType.FLOAT) and images.shape is None:
        raise RecipeError(
            f"the column {source!r} holds numbers, from which images could only come as pixels",
            where="data.images",
            expected="paths, encoded images, or a `shape` for lists of pixels",
        )
    for name in {images.column, *images.measures} - {source}:
        if name in types:
            raise RecipeError(
                f"the images bring a column {name!r}, but the data have one of that name",
                where="data.images.column",
                hint="rename it in `data.columns`, or give the images another name",
            )
    kept = {n: t for n, t in types.items() if n != source or _is_kept(data, images, types[source])}
    whole = dict.fromkeys(images.measures[: len(_INTEGERS)], ColumnType.INTEGER)
    rest = dict.fromkeys(images.measures[len(_INTEGERS) :], ColumnType.FLOAT)
    return {**kept, images.column: ColumnType.BYTES, **whole, **rest}


def _is_kept(data: Data, images: Images, kind: ColumnType) -> bool:
    """Whether the source stays beside the image: a file's name says which image it is."""
    return images.origin != images.column and _is_path(data, kind)


def _is_path(data: Data, kind: ColumnType) -> bool:
    # In a tf.Example nothing tells text from other bytes.
    return kind is ColumnType.TEXT and data.format != "tfrecord"


def blocks(data: Data, rows: Iterable[Block]) -> Iterator[Block]:
    """Divides blocks so that the images of each fit in memory, whatever their number.

    Args:
        data: The recipe's data section.
        rows: From `reader.blocks`.
    """
    if not data.images:
        yield from rows
        return
    for block in rows:
        ends = np.cumsum(sum(_sizes(data, images, block) for images in data.images))
        starts, row = [0], 0
        while row < len(ends):
            before = ends[row - 1] if row else 0
            fits = int(np.searchsorted(ends, before + PORTION_BYTES, "right"))
            row = min(max(fits, row + 1), row + _MOST_ROWS)
            starts.append(row)
        yield from block.cut(starts[:-1] or [0])


def append(data: Data, block: Block, remedy: str = REMEDY) -> WithImages:
    """Returns the rows with their images, in place of where these come from.

    Args:
        data: The recipe's data section.
        block: The rows, from `blocks`.
        remedy: What else may be done about an image that cannot be used.

    Raises:
        DataError: An image cannot be used, and a bad row is an error.
        RecipeError: The column holds something that is no image.
    """
    changes: Counter[str] = Counter()
    for images in data.images:
        block, some = _appended(data, images, block, remedy)
        changes += some
    return WithImages(block, changes)


def _appended(data: Data, images: Images, block: Block, remedy: str) -> WithImages:
    if not len(block.batch):
        return WithImages(block, Counter())
    source = images.origin
    column = block.batch.column(source) if source in block.batch.schema.names else None
    found: list[Prepared] = []
    bad: dict[int, ImageRefusedError] = {}
    for index, prepared in enumerate(_prepared(data, images, column, block)):
        if isinstance(prepared, Prepared):
            found.append(prepared)
        elif data.on_bad_row == "error":
            raise _error(prepared, _where(data, column, block, index), remedy)
        else:
            bad[index] = prepared
    kept = _without(block, bad)
    names = [n for n in kept.batch.schema.names if n != source or _has_paths(data, images, column)]
    arrays = {name: kept.batch.column(name) for name in names} | _arrays(images, found)
    batch = pa.RecordBatch.from_arrays(list(arrays.values()), list(arrays))
    changes = Counter(each.change for each in found if each.change)
    return WithImages(dataclasses.replace(kept, batch=batch), changes)


def referenced(data: Data) -> str:
    """Digests the files that the data name: path and content of each.

    Args:
        data: The recipe's data section, its path absolute.

    Returns:
        SHA-256; nothing where the data name no files.

    Raises:
        DataError: The data cannot be read.
    """
    sources = [images.origin for images in data.images if not images.shape]
    if not sources or data.format == "tfrecord":
        return ""
    files = input_splits.find(data)
    types = reader.columns(data, files)
    named = [each for each in sources if _is_path(data, types.get(each, ColumnType.MISSING))]
    if not named:
        return ""
    digest = hashlib.sha256()
    with file_digests.remembered() as digest_of:
        for block in reader.blocks(data, files, types):
            base = _base(data, block)
            for name in itertools.chain(*(block.batch[each].to_pylist() for each in named)):
                digest.update(
                    f"{base}\0{name}\0{_content_digest(base, name, digest_of)}\n".encode()
                )
    return digest.hexdigest()


def _content_digest(base: Path, name: str | None, digest_of: file_digests.Digest) -> str:
    """Nothing where there is no such file: which row that is the reader says."""
    with suppress(OSError, ValueError):
        return digest_of(base / name) if name and (base / name).is_file() else ""
    return ""


def _base(data: Data, block: Block) -> Path:
    """The folder that paths are relative to."""
    is_folder = data.format == "folders"
    return patterns.sure_folder(data.path or "") if is_folder else block.file.parent


def _has_paths(data: Data, images: Images, column: pa.Array | None) -> bool:
    text = column is not None and pa.types.is_string(column.type)
    return text and data.format != "tfrecord" and images.origin != images.column


def _sizes(data: Data, images: Images, block: Block) -> npt.NDArray[np.int64]:
    """About how many bytes the image of each row has."""
    source = images.origin
    if source not in block.batch.schema.names:
        return np.zeros(len(block.batch), np.int64)
    column = block.batch.column(source)
    if images.shape:
        return np.full(len(column), math.prod(images.shape), np.int64)
    if pa.types.is_string(column.type):
        base = _base(data, block)
        return np.array([_size(base / (name or "")) for name in column.to_pylist()], np.int64)
    if pa.types.is_list(column.type):
        return np.array([sum(map(len, each or [])) for each in column.to_pylist()], np.int64)
    if pa.types.is_null(column.type):
        return np.zeros(len(column), np.int64)
    return np.asarray(pc.fill_null(pc.binary_length(column), 0)).astype(np.int64)


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except (OSError, ValueError):
        return 0


def _prepared(
    data: Data, images: Images, column: pa.Array | None, block: Block
) -> Iterator[Prepared | ImageRefusedError]:
    """Makes the image of each row, one after the other, or says why there is none."""
    if column is None or pa.types.is_null(column.type):
        yield from [_none()] * len(block.batch)
    elif images.shape:
        yield from _from_pixels(images, column)
    else:
        load = partial(_content, base=_base(data, block))
        for value in _singles(column):
            try:
                yield image_check.prepare(load(value), images)
            except ImageRefusedError as error:
                yield error


def _none() -> ImageRefusedError:
    return ImageRefusedError("the row has no image", "a missing value", "give it one, or remove it")


def _singles(column: pa.Array) -> Iterator[Any]:
    """The one value of each row; None where there is none."""
    if pa.types.is_list(column.type):
        column = pa.array([each[0] if each else None for each in column.to_pylist()])
    for value in column:
        yield value.as_py()  # one by one: a second copy of one image, not of all


def _content(value: bytes | str | None, base: Path) -> bytes:
    if value is None:
        raise _none()
    if isinstance(value, bytes):
        return value
    if "://" in value:
        raise ImageRefusedError(
            "the path is an address", repr(value), "download the images, and give their paths"
        )
    try:
        return (base / value).read_bytes()
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or str(error)
        raise ImageRefusedError(
            "the image's file cannot be read",
            problem,
            f"paths are relative to {base}; is it complete?",
        ) from None


def _from_pixels(images: Images, column: pa.Array) -> Iterator[Prepared | ImageRefusedError]:
    shape = images.shape or (0, 0, 0)
    if not _is_list_of_numbers(column.type):
        raise RecipeError(
            "the images have a `shape`, but their column holds no lists of numbers",
            where="data.images.shape",
            received=str(column.type),
            hint="leave `shape` out if the column has paths or encoded images",
        )
    whole = pa.types.is_integer(column.type.value_type)
    black, white = images.range or ((0, 255) if whole else (0, 1))
    for value in column:
        numbers = np.asarray(value.values) if value.is_valid else np.empty(0)
        if not len(numbers):
            yield _none()
        elif len(numbers) != math.prod(shape):
            yield ImageRefusedError(
                "the image has another number of pixels than `data.images.shape`",
                f"{counted(len(numbers), 'number')} instead of {' x '.join(map(str, shape))}",
            )
        else:
            yield _scaled((numbers.astype(np.float64) - black) / (white - black), shape)


def _scaled(
    shares: npt.NDArray[np.float64], shape: tuple[int, int, int]
) -> Prepared | ImageRefusedError:
    levels = np.rint(shares * 255)
    if not ((levels >= 0) & (levels <= 255)).all():  # not a number is neither
        return ImageRefusedError(
            "a pixel is darker than black or brighter than white",
            f"from {shares.min():.3g} to {shares.max():.3g}, where black is 0 and white is 1",
            "say in `data.images.range` which numbers are black and white",
        )
    return image_check.from_pixels(levels.astype(np.uint8).reshape(shape))


def _is_list_of_numbers(kind: pa.DataType) -> bool:
    if not pa.types.is_list(kind):
        return False
    return bool(pa.types.is_integer(kind.value_type) or pa.types.is_floating(kind.value_type))


def _where(data: Data, column: pa.Array | None, block: Block, index: int) -> str:
    """Names the image's file, or the row if it has none."""
    if column is None or not pa.types.is_string(column.type) or not column[index].is_valid:
        return block.row(index)
    file = _base(data, block) / column[index].as_py()
    return str(file) if data.format == "folders" else f"{file} ({block.row(index)})"


def _error(refused: ImageRefusedError, where: str, remedy: str) -> DataError:
    return DataError(
        refused.reason,
        where=where,
        expected="a whole image: JPEG, PNG, GIF, BMP, WebP, TIFF or AVIF",
        received=refused.detail,
        hint="; ".join(filter(None, [refused.hint, remedy])),
    )


def _without(block: Block, bad: Mapping[int, ImageRefusedError]) -> Block:
    """Takes rows out of a block, and puts them among its bad ones."""
    if not bad:
        return block
    rows = [
        BadRow(int(block.numbers[index]), error.reason, error.detail, block.shown(index))
        for index, error in bad.items()
    ]
    return block.filter(np.isin(np.arange(len(block.batch)), list(bad), invert=True), rows)


def _arrays(images: Images, found: Sequence[Prepared]) -> dict[str, pa.Array]:
    numbers = [
        pa.array([each.width for each in found], pa.int64()),
        pa.array([each.height for each in found], pa.int64()),
        pa.array([each.channels for each in found], pa.int64()),
        pa.array([len(each.encoded) for each in found], pa.int64()),
        pa.array([each.brightness for each in found], pa.float64()),
        pa.array([each.contrast for each in found], pa.float64()),
    ]
    encoded = pa.array([each.encoded for each in found], pa.binary())
    return {images.column: encoded, **dict(zip(images.measures, numbers, strict=True))}
