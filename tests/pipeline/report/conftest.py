"""Whole runs without a DAG: real statistics, schemas and evaluations of scikit-learn's data."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trainyard.pipeline.records import RunRecord, StageRecord
from trainyard.pipeline.verdict import judge
from trainyard.pipeline.workspace import Workspace
from trainyard.recipe_schema import Recipe

RUN = "20261122-100000-1"

READS = {
    "ExampleGen": {},
    "StatisticsGen": {"examples": "ExampleGen"},
    "SchemaGen": {"statistics": "StatisticsGen"},
    "ExampleValidator": {"statistics": "StatisticsGen", "schema": "SchemaGen"},
    "Gate": {"anomalies": "ExampleValidator", "schema": "SchemaGen"},
    "Transform": {"examples": "ExampleGen", "schema": "SchemaGen"},
    "Trainer": {"examples": "Transform", "transform_graph": "Transform"},
    "Baseline": {},
    "Evaluator": {"examples": "ExampleGen", "model": "Trainer"},
    "Pusher": {"model": "Trainer", "model_blessing": "Evaluator"},
}
WRITES = {
    "ExampleGen": ["examples"],
    "StatisticsGen": ["statistics"],
    "SchemaGen": ["schema"],
    "ExampleValidator": ["anomalies"],
    "Gate": ["findings"],
    "Transform": ["transformed_examples"],
    "Trainer": ["model", "model_run"],
    "Baseline": [],
    "Evaluator": ["evaluation", "blessing"],
    "Pusher": ["pushed_model"],
}


@dataclass(frozen=True)
class Run:
    record: RunRecord
    recipe: Recipe


@dataclass(frozen=True)
class Source:
    """A task with data: features, label, and the class names."""

    task: str
    frame: Any
    label: str
    class_names: list[str]
    evaluation: dict[str, Any]


def split_of(rows: int) -> Any:
    return np.random.default_rng(0).choice(["train", "eval", "test"], rows, p=[0.6, 0.2, 0.2])


def predictions(source: Source, features: Any, labels: Any, split: Any, strength: float) -> Any:
    """Out-of-sample predictions of a linear model; a lower strength makes a worse one."""
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    classes = source.task != "regression"
    kind = LogisticRegression(C=strength, max_iter=500) if classes else Ridge(1 / strength)
    model = make_pipeline(StandardScaler(), kind)
    model.fit(features[split == "train"], labels[split == "train"])
    judged = features[split == "test"]
    if source.task == "regression":
        return model.predict(judged).astype(np.float32)
    given = model.predict_proba(judged).astype(np.float32)
    return given[:, 1] if source.task == "binary" else list(given)


def write_statistics(source: Source, split: Any, folder: Path) -> Any:
    """StatisticsGen's, SchemaGen's and ExampleValidator's files."""
    import tensorflow_data_validation as tfdv

    schema = None
    for name in ("train", "eval", "test"):
        statistics = tfdv.generate_statistics_from_dataframe(
            source.frame[split == name].reset_index(drop=True)
        )
        schema = schema or tfdv.infer_schema(statistics)
        anomalies = tfdv.validate_statistics(statistics, schema)
        for key, file, proto in (
            ("statistics", "FeatureStats.pb", statistics),
            ("anomalies", "SchemaDiff.pb", anomalies),
        ):
            place = folder / key / f"Split-{name}"
            place.mkdir(parents=True)
            (place / file).write_bytes(proto.SerializeToString())
    (folder / "schema").mkdir()
    tfdv.write_schema_text(schema, str(folder / "schema" / "schema.pbtxt"))


def write_gate(folder: Path) -> None:
    finding = {
        "split": "eval",
        "column": "group",
        "kind": "new_category",
        "message": "column 'group' (eval): expected one of 3 values; found 1 other",
        "stops": False,
    }
    (folder / "findings").mkdir()
    (folder / "findings" / "gate.json").write_text(json.dumps([finding]))


def write_training(source: Source, folder: Path) -> None:
    epochs = np.arange(1, 21)
    history = {
        "loss": (0.2 + 0.6 / epochs).tolist(),
        "val_loss": (0.25 + 0.6 / epochs + 0.004 * np.maximum(0, epochs - 12)).tolist(),
        "accuracy": (0.95 - 0.3 / epochs).tolist(),
        "val_accuracy": (0.93 - 0.3 / epochs).tolist(),
        "learning_rate": (0.001 * 0.5 ** (epochs // 6)).tolist(),
    }
    facts = {
        "epochs": 20,
        "best_epoch": 13,
        "steps": 2140,
        "seconds": 4.52,
        "steps_per_second": 473.1,
        "parameters": 12865,
        "phases": [
            {"name": "head", "first_epoch": 1, "last_epoch": 8},
            {"name": "all", "first_epoch": 9, "last_epoch": 20},
        ],
        "class_names": source.class_names,
        "class_counts": [1] * len(source.class_names),
    }
    run = folder / "model_run"
    run.mkdir()
    (folder / "model").mkdir()
    (run / "history.json").write_text(json.dumps(history))
    noted = {"step": [0, 1070, 2000], "learning_rate": [0.0001, 0.001, 0.0005]}
    (run / "learning_rate.json").write_text(json.dumps(noted))
    (run / "training.json").write_text(json.dumps(facts))
    (run / "summary.txt").write_text(
        "┃ Layer (type)      ┃ Output Shape ┃\n│ dense (Dense)     │ (None, 64)   │"
    )
    (run / "model.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 220 60" width="220" height="60">'
        '<rect x="4" y="4" width="212" height="52" fill="none" stroke="#333"/>'
        '<text x="20" y="36">dense (64, relu)</text></svg>'
    )


def recipe_of(source: Source) -> Recipe:
    return Recipe.model_validate(
        {
            "name": f"{source.task}_example",
            "data": {"path": "rows.csv"},
            "label": source.label,
            "task": source.task,
            "trainer": {"epochs": 20, "optimizer": {"name": "adamw", "weight_decay": 0.01}},
            "features": {"group": "categorical"},
            "evaluation": source.evaluation,
        }
    )


def write_metadata(workspace: Workspace, uris: list[str]) -> dict[str, int]:
    """A real ML Metadata store with the artifacts; their ids by URI."""
    from ml_metadata import MetadataStore
    from ml_metadata.proto import metadata_store_pb2 as proto

    connection = proto.ConnectionConfig()
    connection.sqlite.filename_uri = str(workspace.metadata)
    store = MetadataStore(connection)
    kind = store.put_artifact_type(proto.ArtifactType(name="Artifact"))
    ids = store.put_artifacts([proto.Artifact(type_id=kind, uri=uri) for uri in uris])
    return dict(zip(uris, ids, strict=True))


def stages(workspace: Workspace) -> list[StageRecord]:
    written = {
        stage: {key: [str(workspace.artifacts / key)] for key in keys}
        for stage, keys in WRITES.items()
    }
    uris = [uri for outputs in written.values() for uris in outputs.values() for uri in uris]
    ids = write_metadata(workspace, uris)
    return [
        StageRecord(
            name=stage,
            state="done",
            reason="first run",
            seconds=round(0.4 * 1.6**index, 1),
            inputs={
                key: [ids[next(iter(written[maker].values()))[0]]]
                for key, maker in READS[stage].items()
            },
            outputs=outputs,
        )
        for index, (stage, outputs) in enumerate(written.items())
    ]


def build_run(source: Source, evaluate: Any, push: dict[str, Any]) -> Run:
    """Writes all artifacts of a run under the home folder."""
    from sklearn.preprocessing import LabelEncoder

    recipe = recipe_of(source)
    workspace = Workspace.of(recipe)
    folder = workspace.artifacts
    split = split_of(len(source.frame))
    numbers = source.frame.drop(columns=source.label).select_dtypes("number")
    features = numbers.fillna(numbers.mean()).to_numpy()
    raw = source.frame[source.label]
    labels = raw.to_numpy() if source.task == "regression" else LabelEncoder().fit_transform(raw)
    write_statistics(source, split, folder)
    write_gate(folder)
    write_training(source, folder)
    judged = source.frame[split == "test"].reset_index(drop=True).drop(columns=source.label)
    judged["label_xf"] = labels[split == "test"]
    for column, strength in (("predictions", 1.0), ("baseline_predictions", 0.0005)):
        judged[column] = predictions(source, features, labels, split, strength)
    evaluate(recipe, judged, folder, with_baseline=True)
    (folder / "pushed_model").mkdir()
    (folder / "pushed_model" / "push.json").write_text(json.dumps(push))
    record = RunRecord(
        id=RUN,
        recipe=recipe.name,
        recipe_file=f"recipes/{recipe.name}.yaml",
        recipe_json=recipe.model_dump_json(),
        started=datetime(2026, 11, 22, 10, tzinfo=UTC),
        seconds=94.2,
        stages=stages(workspace),
        versions={"python": "3.11.7", "tfx": "1.16.0", "keras": "3.15.1"},
    )
    record.verdict = judge(record, recipe)
    record.state = "pushed" if record.verdict.pushed else "not pushed"
    record.save()
    return Run(record, recipe)


def grouped(bunch: Any, label: str, labels: Any) -> Any:
    """A scikit-learn data set with a text column and some missing values."""
    random = np.random.default_rng(1)
    frame = bunch.data.copy()
    frame.columns = [name.replace("/", "_").replace(" ", "_") for name in frame.columns]
    frame["group"] = random.choice(["north", "south", "sea-side"], len(frame))
    frame.loc[random.random(len(frame)) < 0.08, "group"] = None
    frame.iloc[3, 0] = None
    frame[label] = labels
    return frame


def binary_source() -> Source:
    from sklearn.datasets import load_breast_cancer

    bunch = load_breast_cancer(as_frame=True)
    names = bunch.target_names[bunch.target]
    return Source(
        "binary",
        grouped(bunch, "diagnosis", names),
        "diagnosis",
        sorted(bunch.target_names),
        {
            "metrics": [
                "auc",
                "auc_pr",
                "accuracy",
                "precision",
                "recall",
                "log_loss",
                "calibration",
            ],
            "slices": ["group"],
            "thresholds": [
                {"metric": "auc", "min": 0.95, "slice": "group"},
                {"metric": "auc", "min": 0.98},
                {"metric": "calibration", "min": 0.8, "max": 1.2},
            ],
            "change": [
                {"metric": "auc", "worse_by": 0.01},
                {"metric": "log_loss", "worse_by": 0.05},
            ],
        },
    )


def multiclass_source() -> Source:
    from sklearn.datasets import load_wine

    bunch = load_wine(as_frame=True)
    return Source(
        "multiclass",
        grouped(bunch, "grape", bunch.target),
        "grape",
        ["barolo", "grignolino", "barbera"],
        {
            "metrics": ["accuracy", "macro_f1", "log_loss"],
            "slices": ["group"],
            "thresholds": [{"metric": "accuracy", "min": 0.999}],
        },
    )


def regression_source() -> Source:
    from sklearn.datasets import load_diabetes

    bunch = load_diabetes(as_frame=True)
    return Source(
        "regression",
        grouped(bunch, "progression", bunch.target),
        "progression",
        [],
        {
            "metrics": ["mae", "rmse", "r2"],
            "slices": ["group"],
            "thresholds": [
                {"metric": "mae", "max": 40, "slice": "group"},
                {"metric": "r2", "min": 0},
            ],
        },
    )


SOURCES = {
    "binary": binary_source,
    "multiclass": multiclass_source,
    "regression": regression_source,
}


@pytest.fixture(scope="session")
def build(evaluate) -> Callable[..., Run]:
    """Makes a run that was not pushed, from the parts of a `Source`."""
    return lambda *parts: build_run(Source(*parts), evaluate, {"pushed": False})


@pytest.fixture(scope="session")
def runs(evaluate, tmp_path_factory) -> dict[str, Run]:
    """A run for each task, under a TRAINYARD_HOME of their own."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRAINYARD_HOME", str(home))
        built = {}
        for task, source in SOURCES.items():
            pushed = task == "binary"
            push = {"pushed": pushed, "version": "4", "destination": "/serving/4", "run": RUN}
            built[task] = build_run(source(), evaluate, push if pushed else {"pushed": False})
        yield built
