"""The stretch of the request log that is looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from trainyard.errors import DataError
from trainyard.recipe_schema import Monitor
from trainyard.serving import request_log
from trainyard.serving.monitor import requests
from trainyard.serving.monitor.report import Window
from trainyard.serving.monitor.requests import Layout, Log
from trainyard.serving.monitor.rows import Rows, Sample
from trainyard.serving.monitor.two_samples import Array
from trainyard.wording import agreeing, counted


@dataclass
class Traffic:
    """What a window holds.

    Attributes:
        rows: A sample of its rows.
        count: How many rows it has.
        window: From when to when.
        unread: Requests of other signatures or kinds.
        note: What else there is to say of them.
    """

    rows: Rows
    count: int
    window: Window
    unread: int = 0
    note: str = ""


@dataclass
class _Span:
    """From when to when records are, in seconds since 1970."""

    first: int = 1 << 62
    last: int = 0

    def of_model(self, logs: Iterable[Log], name: str) -> Iterator[Log]:
        """Passes on what one model was asked, and notes from when to when."""
        for log in logs:
            if _name(log) != name:
                continue
            self.first = min(self.first, log.log_metadata.timestamp_secs)
            self.last = max(self.last, log.log_metadata.timestamp_secs)
            yield log


def read(
    folder: Path,
    model: str,
    settings: Monitor,
    layout: Layout,
    *,
    now: datetime,
    prepared: Callable[[Rows], Rows] = lambda rows: rows,
) -> Traffic:
    """Reads the newest requests, as far back as the recipe says.

    Args:
        folder: Of the request log.
        model: What the server calls it.
        settings: The recipe's.
        layout: What to read of a request.
        now: Where the window ends.
        prepared: Makes of rows what is compared, such as an image's measures; of those rows
            only that may stay in the sample.

    Raises:
        DataError: Nothing was logged, or nothing of this model, or nothing in the window.
    """
    span, sample = _Span(), Sample(settings.sample)
    logs = span.of_model(_newest(folder, model, settings, now), model)
    unread = 0
    for block in requests.blocks(logs):
        rows = requests.rows(block, layout)
        unread += sum(requests.rows_of(log) for log in block) - len(rows)
        if len(rows):
            sample.add(len(rows), partial(_taken, prepared, rows))
    if not sample.seen:
        raise _nothing(folder, model, settings, unread)
    window = Window(asked=_words(settings), since=_time(span.first), until=_time(span.last))
    return Traffic(sample.rows(), sample.seen, window, unread)


def _taken(prepared: Callable[[Rows], Rows], rows: Rows, places: Array) -> Rows:
    return prepared(rows.take(places))


def _newest(folder: Path, model: str, settings: Monitor, now: datetime) -> Iterator[Log]:
    if isinstance(settings.window, int):
        return _newest_rows(folder, model, settings.window)
    since = (now - (settings.span or timedelta())).timestamp()
    return request_log.read(folder, since=since)


def _newest_rows(folder: Path, model: str, wanted: int) -> Iterator[Log]:
    """The records that hold the last rows: read twice, so as not to be held."""
    skipped = sum(map(requests.rows_of, _of_model(folder, model))) - wanted
    for log in _of_model(folder, model):
        skipped -= requests.rows_of(log)
        if skipped < 0:
            yield log


def _of_model(folder: Path, model: str) -> Iterator[Log]:
    return (log for log in request_log.read(folder) if _name(log) == model)


def _name(log: Log) -> str:
    return str(log.log_metadata.model_spec.name)


def _nothing(folder: Path, model: str, settings: Monitor, unread: int) -> DataError:
    if unread:
        return DataError(
            f"the {counted(unread, 'row')} in the window {agreeing(unread, 'asks', 'ask')} for "
            "other columns than this model's",
            where=str(folder),
            expected="requests to serving_raw or serving_default, Classify or Regress",
        )
    others = {_name(log) for log in request_log.read(folder)}
    if not others:
        return DataError(
            "no requests have been logged yet",
            where=str(folder),
            hint="trainyard serve RECIPE --log-sampling-rate 1 logs all that it answers",
        )
    if model not in others:
        return DataError(
            "the log is of another model",
            where=str(folder),
            expected=model,
            received=", ".join(sorted(others)),
        )
    newest = max(log.log_metadata.timestamp_secs for log in _of_model(folder, model))
    return DataError(
        f"no request was logged in the last {settings.window}",
        where=str(folder),
        received=f"the newest is of {_time(newest):%Y-%m-%d %H:%M:%S} UTC",
        hint="a larger window: --window 7d, or a number of rows",
    )


def _words(settings: Monitor) -> str:
    return counted(settings.window, "row") if isinstance(settings.window, int) else settings.window


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
