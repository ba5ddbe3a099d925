"""What the report takes from the Trainer's files."""

from trainyard.pipeline.report import training


def test_a_watched_row_shows_all_its_images_and_texts():
    row = {"texts": {"a": "one", "b": "two"}, "images": {"l": "TA==", "r": "Ug=="}, "actual": "1"}
    watched = training._watched({"rows": [row], "epochs": {"1": ["0"], "2": ["1"]}}, best=2)
    assert (watched.epochs, watched.best) == ([1, 2], 2)
    addresses = ["data:image/png;base64,TA==", "data:image/png;base64,Ug=="]
    assert watched.rows == [(addresses, "one | two", "1", ["0", "1"])]


def test_a_model_that_was_not_watched():
    assert training._watched({}, best=0) is None
