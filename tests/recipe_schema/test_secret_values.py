"""A secret is named in a recipe, read where it is used, and shown nowhere."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from trainyard.errors import RecipeError
from trainyard.pipeline import failures
from trainyard.pipeline.beam import cluster
from trainyard.pipeline.check import _webhook_warnings
from trainyard.pipeline.console import output_to
from trainyard.pipeline.kubeflow.access import Access
from trainyard.pipeline.kubeflow.luggage import Luggage
from trainyard.pipeline.recipe import dump, load_recipe, locating, resolved_recipe
from trainyard.pipeline.report import stages
from trainyard.recipe_schema import Recipe, secret_values

LITERAL = "https://hooks.example.org/services/the-key"
RECIPE = """\
name: secretive
data: {path: rows.csv}
label: y
task: binary
"""


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secret_values, "_read", {})


def write(folder: Path, addition: str) -> Path:
    file = folder / "recipe.yaml"
    file.write_text(RECIPE + addition)
    return file


def load(folder: Path, addition: str) -> Recipe:
    return load_recipe(write(folder, addition))


def test_references_are_read_from_environment_and_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "path.txt").write_text("  services/key\n")
    monkeypatch.setenv("CHAT", "chat.example.org")
    recipe = load(tmp_path, "monitor: {webhook: 'https://${env:CHAT}/${file:path.txt}'}\n")
    monkeypatch.chdir("/")  # the path is the recipe's, not the process's

    assert recipe.monitor.webhook
    assert recipe.monitor.webhook.value("k") == "https://chat.example.org/services/key"
    assert "services/key" not in dump(recipe)
    assert resolved_recipe(dump(recipe)) == recipe


def test_records_and_pages_show_only_the_host_of_a_literal(tmp_path: Path) -> None:
    recipe = load(tmp_path, f"monitor: {{webhook: '{LITERAL}'}}\n")

    shown = [
        dump(recipe),
        repr(recipe),
        str(recipe.model_dump()),
        *(parameter.value for parameter in stages.parameters(recipe)),
    ]

    assert "the-key" not in "".join(shown)
    assert json.loads(shown[0])["monitor"]["webhook"] == "https://hooks.example.org/***"
    assert dump(resolved_recipe(shown[0])) == shown[0]
    assert recipe.monitor.webhook and recipe.monitor.webhook.value("k") == LITERAL


def test_check_warns_of_a_literal_and_of_what_is_missing_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NOWHERE", raising=False)
    (literal,) = _webhook_warnings(load(tmp_path, f"monitor: {{webhook: '{LITERAL}'}}\n"))
    assert "${env:NAME}" in literal and "the-key" not in literal
    (missing,) = _webhook_warnings(load(tmp_path, "monitor: {webhook: '${env:NOWHERE}'}\n"))
    assert "'NOWHERE' is not set" in missing
    assert not [*_webhook_warnings(load(tmp_path, "monitor: {webhook: 'http://host:80'}\n"))]


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("${env:NOWHERE}", "the environment variable 'NOWHERE' is not set"),
        ("${file:nowhere.txt}", "nowhere.txt' cannot be read: No such file"),
    ],
)
def test_a_missing_secret_is_one_error_with_its_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reference: str, said: str
) -> None:
    monkeypatch.delenv("NOWHERE", raising=False)
    file = write(tmp_path, f"monitor:\n  min_rows: 50\n  webhook: {reference!r}\n")
    recipe = load_recipe(file)
    with pytest.raises(RecipeError, match="is missing") as raised, locating(file):
        assert recipe.monitor.webhook
        recipe.monitor.webhook.value("monitor.webhook")
    assert said in str(raised.value)
    assert raised.value.where == f"{file}:7:3"


def test_a_secret_that_is_no_address_is_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK", "ftp://the-key")
    recipe = load(tmp_path, "monitor: {webhook: '${env:HOOK}'}\n")
    with pytest.raises(RecipeError, match="is not an address") as raised:
        assert recipe.monitor.webhook
        recipe.monitor.webhook.value("monitor.webhook")
    assert "the-key" not in str(raised.value)


@pytest.mark.parametrize(
    "addition",
    [
        "monitor: {webhook: 'htps://host/the-key'}\n",
        "monitor: {webhook: ['https://host/the-key']}\n",
        "monitor: {webhook: 'https://host/the-key${HOOK}'}\n",
        "monitor: {webhook: {url: 'https://host/the-key'}}\n",
        "monitor: {webhok: 'https://host/the-key'}\n",
        "monitor: {min_rows: 1, webhook: 'https://host/the-key'}\n",
        "heads: {a: {label: y, task: binary}}\nmonitor: {webhook: 'https://host/the-key'}\n",
        "engine: {name: beam, beam_options: ['--s3_secret_access_key=the-key']}\n",
        "engine: {name: beam, beam_options: ['--url=http://user:the-key@host']}\n",
        "engine: {name: beam, beam_options: '--s3_secret_access_key=the-key'}\n",
        "engine: {runner: flink, worker_pool: 'h:1', container_image: c, "
        "beam_options: ['--s3_secret_access_key=${env:X}the-key']}\n",
    ],
)
def test_no_error_of_a_recipe_repeats_a_secret(tmp_path: Path, addition: str) -> None:
    with pytest.raises(RecipeError) as raised:
        load(tmp_path, addition)
    assert "the-key" not in str(raised.value)


def test_beam_alone_is_told_the_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_KEY", "the-key")
    option = "--s3_secret_access_key=${env:S3_KEY}"
    recipe = load(tmp_path, f"engine: {{name: beam, beam_options: ['{option}']}}\n")
    log = tmp_path / "stage.log"

    with cluster.at_hand(recipe, log) as told, output_to(log):
        os.write(1, f"Discarding: {told.engine.beam_options[0]}\n".encode())  # as Beam does
        shown = failures.explain(ValueError(f"no {told.engine.beam_options}"), "Transform", log)

    assert told.engine.beam_options == ("--s3_secret_access_key=the-key",)
    assert log.read_text() == f"Discarding: {option}\n"
    assert "the-key" not in str(shown) + dump(recipe)


def test_a_compiled_pipeline_has_no_secret(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="would show") as raised:
        Luggage.of(write(tmp_path, f"monitor: {{webhook: '{LITERAL}'}}\n"))
    assert raised.value.where == "monitor.webhook"
    assert "${env:HOOK}" in Luggage.of(write(tmp_path, "monitor: {webhook: '${env:HOOK}'}\n")).text


def test_addresses_of_servers_are_shown_without_their_passwords() -> None:
    url = "postgresql://me:the-key@host:5432/mlflow"
    assert secret_values.without_password(url) == "postgresql://***@host:5432/mlflow"
    assert secret_values.without_password("sqlite:///mlflow.db") == "sqlite:///mlflow.db"
    with pytest.raises(RecipeError) as raised:
        _ = Access(kind="none", host="https://me:the-key@host").address
    assert "the-key" not in str(raised.value)
