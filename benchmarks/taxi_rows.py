"""Chicago taxi rows in any number, written block by block.

The first copy of the 15,002 public trips is as it was published. Each further copy
is shuffled and its floats get fresh noise, so that no block repeats another's values
and nothing is gained by caching them.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

SEED = 20_131_109
MONEY_AND_MILES = ("fare", "trip_miles", "tips")
DEGREES = ("pickup_latitude", "pickup_longitude", "dropoff_latitude", "dropoff_longitude")

_READ = pa_csv.ConvertOptions(
    strings_can_be_null=True,
    column_types=dict.fromkeys((*MONEY_AND_MILES, *DEGREES), pa.float64()),
)
_WRITE = pa_csv.WriteOptions(include_header=False)


def write(source: Path, target: Path, rows: int) -> None:
    """Writes a CSV file with a header; the same arguments give the same bytes.

    Args:
        source: The published CSV file.
        target: Where to; a file that is there already is kept, for it is whole.
        rows: How many.
    """
    if target.exists():
        return
    trips = pa_csv.read_csv(source, convert_options=_READ)
    beside = target.with_suffix(".part")
    with beside.open("wb") as file:
        file.write(f"{','.join(trips.column_names)}\n".encode())
        for copy in range(math.ceil(rows / trips.num_rows)):
            block = _noisy(trips, copy) if copy else trips
            left = rows - copy * trips.num_rows
            pa_csv.write_csv(block.slice(0, left), file, _WRITE)
    beside.replace(target)


def _noisy(trips: pa.Table, copy: int) -> pa.Table:
    """Money and miles change by up to 5 %, places by about 100 m; what is missing stays so."""
    chance = np.random.default_rng([SEED, copy])
    block = trips.take(chance.permutation(trips.num_rows))
    for name in (*MONEY_AND_MILES, *DEGREES):
        values = block[name].to_numpy()
        if name in DEGREES:
            noisy = (values + chance.normal(0, 1e-3, len(values))).round(6)
        else:
            noisy = (values * chance.uniform(0.95, 1.05, len(values))).round(4)
        place = block.column_names.index(name)
        block = block.set_column(place, name, pa.array(noisy, from_pandas=True))
    return block
