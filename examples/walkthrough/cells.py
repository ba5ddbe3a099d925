"""Plays the world around the recipe `cells`: writes spans of data, and asks the server.

`python cells.py span 1` writes cells/1.csv; `python cells.py ask 500` sends 500 rows, with
`--larger 1.3` as a microscope with a larger scale sees them.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from pathlib import Path

import pandas as pd
import requests
from sklearn.datasets import load_breast_cancer

AREAS = ("mean_area", "area_error", "worst_area")
LENGTHS = ("mean_radius", "mean_perimeter", "radius_error", "perimeter_error")
LENGTHS += ("worst_radius", "worst_perimeter")


def cells(larger: float) -> pd.DataFrame:
    """Reads the cells.

    Args:
        larger: What a length of 1 is measured as.

    Returns:
        30 measures and the diagnosis of each of 569 tumours.
    """
    data = load_breast_cancer(as_frame=True)
    rows = data.data.rename(columns=lambda name: name.replace(" ", "_"))
    rows[list(LENGTHS)] *= larger
    rows[list(AREAS)] *= larger**2
    return rows.assign(diagnosis=data.target_names[data.target])


def write(span: int, larger: float) -> None:
    """Writes a span as the recipe reads it."""
    file = Path("cells") / f"{span}.csv"
    file.parent.mkdir(exist_ok=True)
    rows = cells(larger)
    rows.to_csv(file, index=False)
    print(f"{file}: {len(rows)} rows")  # noqa: T201


def ask(count: int, larger: float, server: str, seed: int) -> None:
    """Sends rows one by one, as any client of TensorFlow Serving."""
    url = f"{server}/v1/models/cells"
    wait_for(url)
    rows = cells(larger).drop(columns="diagnosis").sample(count, replace=True, random_state=seed)
    answers: Counter[str] = Counter()
    with requests.Session() as session:
        for row in rows.to_dict("records"):
            body = {"signature_name": "serving_raw", "instances": [row]}
            answer = session.post(f"{url}:predict", json=body, timeout=60)
            answer.raise_for_status()
            (prediction,) = answer.json()["predictions"]
            answers["benign" if prediction["predictions"][0] > 0.5 else "malignant"] += 1
    print(f"{count} answered: {answers['benign']} benign, {answers['malignant']} malignant")  # noqa: T201


def wait_for(url: str) -> None:
    """Waits until a server answers, a minute at most."""
    for _ in range(240):
        try:
            if requests.get(url, timeout=5).ok:
                return
        except requests.ConnectionError:
            pass
        time.sleep(0.25)
    raise SystemExit(f"nothing answers at {url}")


def main() -> None:
    """Does what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["span", "ask"])
    parser.add_argument("number", type=int, help="of the span, or of rows to send")
    parser.add_argument("--larger", type=float, default=1.0, help="what a length of 1 becomes")
    parser.add_argument("--server", default="http://127.0.0.1:8501")
    parser.add_argument("--seed", type=int, default=1, help="which rows are sent")
    given = parser.parse_args()
    if given.what == "span":
        write(given.number, given.larger)
    else:
        ask(given.number, given.larger, given.server, given.seed)


if __name__ == "__main__":
    main()
