"""Stock's driver, for a window of several spans, and with a fingerprint of the files' content.

TFX 1.16's own takes one span only, and its fingerprint has neither the names of the files nor
what is in them: only the sum of their sizes, and times in whole seconds.

Private to TFX 1.16.0: the attributes of its FileBasedInputProcessor that are read and set here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from tfx.components.example_gen import driver, input_processor, utils
from tfx.proto import example_gen_pb2, range_config_pb2

from trainyard import file_digests
from trainyard.components.example_gen import patterns


class WindowProcessor(input_processor.FileBasedInputProcessor):  # type: ignore[misc]
    """Fills the newest spans into each split's pattern.

    Args:
        folder: The folder of all files, as a glob.
        splits: Stock's input splits.
        count: How many spans.
    """

    def __init__(
        self, folder: str, splits: Iterable[example_gen_pb2.Input.Split], count: int
    ) -> None:
        super().__init__(folder, splits)  # which refuses a range of several
        self._count = count
        self._spans: dict[str, list[patterns.Span]] = {}

    def resolve_span_and_version(self) -> tuple[int, int | None]:
        """Finds the spans, and the fingerprint of their files.

        Returns:
            The newest span, a date as stock numbers it, and its version.

        Raises:
            DataError: There is none, or it is not the same for all splits.
        """
        wanted = [split.pattern for split in self._splits]
        self._spans = patterns.windows(self._input_base_uri, wanted, self._count)
        number, version, _ = self._spans[wanted[0]][-1]
        with file_digests.remembered() as digest_of:
            self._fingerprint = "\n".join(
                _fingerprint(split.name, self._input_base_uri, span.pattern, digest_of)
                for split in self._splits
                for span in self._spans[split.pattern]
            )
        return _stock_number(number), version if self._is_match_version else None

    def get_pattern_for_span_version(self, pattern: str, span: int, version: int | None) -> str:
        """Returns a pattern a line: one for each span of the window, the oldest first."""
        del span, version
        return "\n".join(span.pattern for span in self._spans[pattern])


def _stock_number(number: tuple[int, ...]) -> int:
    if not number:
        return 0
    return int(utils.date_to_span_number(*number)) if len(number) == 3 else number[0]


def _fingerprint(split: str, folder: str, pattern: str, digest_of: file_digests.Digest) -> str:
    """One line for the files of a pattern, in stock's style: their names count, and their content.

    Args:
        split: The input split.
        folder: A folder, as a glob.
        pattern: A pattern below it.
        digest_of: From `file_digests.remembered`.
    """
    depth, total, size = len(Path(folder).parts), hashlib.sha256(), 0
    files = [file for file in patterns.matching(str(Path(folder, pattern))) if file.is_file()]
    for file in files:
        name, length = "/".join(file.parts[depth:]), file.stat().st_size
        total.update(f"{name}\0{length}\0{digest_of(file)}\n".encode("utf-8", "surrogateescape"))
        size += length
    digest = total.hexdigest()[:32]
    return f"split:{split},num_files:{len(files)},total_bytes:{size},sha256:{digest}"


class Driver(driver.FileBasedDriver):  # type: ignore[misc]
    """Stock's file-based driver with a processor that knows windows."""

    def get_input_processor(
        self,
        splits: Iterable[example_gen_pb2.Input.Split],
        range_config: range_config_pb2.RangeConfig | None = None,
        input_base_uri: str | None = None,
    ) -> WindowProcessor:
        """Returns what resolves spans."""
        count = range_config.rolling_range.num_spans if range_config else 1
        return WindowProcessor(input_base_uri or "", splits, count)
