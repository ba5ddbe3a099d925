"""The command line: parse, load, call; no logic.

Exit codes: 0 done (for `run`: pushed), 1 unexpected failure, 2 recipe or usage,
3 data, 4 anomalies stopped the run, 5 training, 6 not pushed, 7 contract check,
8 the machine, 9 busy, 10 an alarm of `monitor`, 130 interrupted.
"""

from __future__ import annotations

import logging
import os
import sys
from contextlib import AbstractContextManager, suppress
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from trainyard.errors import NotPushedError, TrainyardError
from trainyard.pipeline import cli_kubeflow, cli_models, cli_monitor, cli_schedule

if TYPE_CHECKING:
    from trainyard.pipeline.records import RunRecord

app = typer.Typer(
    help="From a short YAML recipe to a validated, served Keras 3 model.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    epilog="Exit codes: 0 done (run: pushed), 1 unexpected, 2 recipe or usage, 3 data, "
    "4 anomalies, 5 training, 6 not pushed, 7 contract, 8 machine, 9 busy, 10 alarm, "
    "130 interrupted.",
)
schema_app = typer.Typer(help="Curated schemas: infer, show, diff.", no_args_is_help=True)
app.add_typer(schema_app, name="schema")
cli_kubeflow.register(app)
cli_models.register(app)
cli_schedule.register(app)
app.command()(cli_monitor.monitor)

RecipeFile = Annotated[
    Path, typer.Argument(metavar="RECIPE", help="A recipe, such as recipes/wine.yaml.")
]
RunName = Annotated[
    str | None,
    typer.Argument(metavar="[RUN]", help="A run's id or a recipe's name; the newest if not given."),
]


class OnBadRow(StrEnum):
    """What `predict` does with a row that the model cannot take."""

    ERROR = "error"
    QUARANTINE = "quarantine"


@app.command()
def run(
    recipe: RecipeFile,
    from_stage: Annotated[
        str | None,
        typer.Option("--from", metavar="STAGE", help="Run this stage and all after it again."),
    ] = None,
    no_cache: Annotated[bool, typer.Option("--no-cache", help="Run every stage again.")] = False,
    adopt: cli_schedule.Adopt = False,
) -> None:
    """Takes a recipe from its data to a verdict, and a good model to its serving directory."""
    from trainyard.pipeline import listing, ownership, unchanged
    from trainyard.pipeline.runners import local

    loaded = ownership.load(recipe, adopt=adopt)
    if not (from_stage or no_cache) and (record := unchanged.taken_over(loaded, recipe)):
        _print(listing.stages(record))
        _conclude(record)
        return
    record = local.run(
        loaded,
        recipe,
        rerun_from=from_stage,
        use_cache=not no_cache,
        fingerprint=unchanged.fingerprint(loaded),
    )
    _conclude(record)


@app.command()
def resume(run: RunName = None) -> None:
    """Resumes a run that failed, was interrupted or was killed: finished stages are kept."""
    from trainyard.pipeline.recipe import resolved_recipe
    from trainyard.pipeline.resuming import resumable
    from trainyard.pipeline.runners import local

    record = resumable(run)
    recipe = resolved_recipe(record.recipe_json)
    _conclude(local.run(recipe, Path(record.recipe_file), resumed_from=record.id))


@app.command()
def check(recipe: RecipeFile, adopt: cli_schedule.Adopt = False) -> None:
    """Checks a recipe against its data without running it, and draws the DAG."""
    from trainyard.pipeline import ownership, quiet

    loaded = ownership.load(recipe, adopt=adopt)
    quiet.before_imports()
    from trainyard.pipeline.beam import cluster
    from trainyard.pipeline.check import check as check_recipe
    from trainyard.pipeline.drawing import drawing

    with _live("checking the recipe"):
        cluster.check(loaded.engine)
        checked = check_recipe(loaded, recipe)
    _print(drawing(checked))


@app.command()
def recipes(
    folder: Annotated[Path, typer.Argument(help="Where to look.")] = Path("recipes"),
    schema: Annotated[
        bool, typer.Option("--json-schema", help="Print the JSON schema of a recipe, for editors.")
    ] = False,
    reference: Annotated[
        bool, typer.Option("--reference", help="Print every recipe key with its meaning.")
    ] = False,
) -> None:
    """Lists the recipes there are, with what each one shows."""
    from trainyard.pipeline import listing

    if reference:
        from trainyard.pipeline.recipe_reference import recipe_reference

        _print(recipe_reference())
    elif schema:
        from trainyard.pipeline.editor_schema import recipe_json_schema

        _print(recipe_json_schema())
    else:
        _print(listing.recipes(folder))


@app.command()
def runs(
    recipe: Annotated[str | None, typer.Argument(help="Only this recipe's (its name).")] = None,
) -> None:
    """Lists the runs there are, newest first."""
    from trainyard.pipeline import listing

    _print(listing.runs(recipe))


@app.command()
def why(run: RunName = None) -> None:
    """Says why a model was or was not pushed."""
    from trainyard.pipeline import listing
    from trainyard.pipeline.records import find_run

    _print(listing.why(find_run(run)))


@app.command()
def report(run: RunName = None) -> None:
    """Prints the path of a run's report."""
    from trainyard.pipeline import listing
    from trainyard.pipeline.records import find_run

    with _live("writing the report"):
        page = listing.report(find_run(run))
    _print(page)


@app.command()
def predict(
    recipe: RecipeFile,
    images: Annotated[
        list[Path] | None, typer.Argument(help="Images, or folders of them; in place of --input.")
    ] = None,
    input: Annotated[
        Path | None, typer.Option("--input", help="CSV or Parquet with raw columns.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="CSV or Parquet to write.")
    ] = None,
    version: Annotated[
        int | None,
        typer.Option(help="A pushed version; the champion (the model in service) if not given."),
    ] = None,
    on_bad_row: Annotated[
        OnBadRow,
        typer.Option(help="Refuse the table, or leave the row's prediction empty and list it."),
    ] = OnBadRow.ERROR,
) -> None:
    """Predicts a table of any size, or images, with the champion (the model in service)."""
    from trainyard.pipeline import quiet

    quiet.before_imports()
    from trainyard.pipeline import ownership
    from trainyard.pipeline.predict import asked
    from trainyard.pipeline.workspace import Workspace

    loaded = ownership.load(recipe)
    serving, data, warnings = Workspace.of(loaded).serving, loaded.data, list[str]()
    with _live():
        told = asked(
            serving,
            images or [],
            input,
            output,
            data,
            version,
            on_bad_row.value,
            warnings.append,
        )
    _print(told)
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)  # noqa: T201


@app.command()
def generate(
    recipe: RecipeFile,
    prompt: Annotated[str, typer.Option(help="What the model reads.")] = "",
    length: Annotated[
        int | None, typer.Option(help="Tokens at most; as many as training texts if not given.")
    ] = None,
    temperature: Annotated[
        float, typer.Option(help="0: the most probable token each time; 1: by their shares.")
    ] = 0.0,
    top_k: Annotated[int, typer.Option(help="Only so many most probable tokens; 0: all.")] = 0,
    top_p: Annotated[
        float, typer.Option(help="Only the most probable tokens with this share; 1: all.")
    ] = 1.0,
    seed: Annotated[int, typer.Option(help="The same one gives the same text.")] = 1,
    beams: Annotated[
        int, typer.Option("--beam", help="A beam search with so many candidates.")
    ] = 1,
    version: Annotated[
        int | None,
        typer.Option(help="A pushed version; the champion (the model in service) if not given."),
    ] = None,
) -> None:
    """Has the champion (the model in service) continue a prompt, or translate it."""
    from trainyard.pipeline import quiet

    quiet.before_imports()
    from trainyard.pipeline import ownership
    from trainyard.pipeline.generate import Wish
    from trainyard.pipeline.generate import generate as write
    from trainyard.pipeline.workspace import Workspace

    serving = Workspace.of(ownership.load(recipe)).serving
    wish = Wish(prompt, length, temperature, top_k, top_p, seed, beams)
    with _live():
        text = write(serving, wish, version=version)
    _print(text)


@app.command()
def serve(
    recipe: RecipeFile,
    host: Annotated[str, typer.Option(help="0.0.0.0: all addresses.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="gRPC; 0: any that is free.")] = 8500,
    rest_api_port: Annotated[int, typer.Option(help="REST; 0: any that is free.")] = 8501,
    num_versions: Annotated[int, typer.Option(min=1, help="Newest versions kept loaded.")] = 2,
    threads: Annotated[int, typer.Option(min=1, help="Of one operation of the model.")] = 1,
    batching: Annotated[
        Literal["auto", "on", "off"],
        typer.Option(
            help="Requests of several clients go through the model together; auto: if the push "
            "has proved that rows are independent."
        ),
    ] = "auto",
    log_sampling_rate: Annotated[
        float, typer.Option(min=0, max=1, help="Share of requests kept in the request log.")
    ] = 0.1,
) -> None:
    """Serves the pushed model as TensorFlow Serving does: gRPC and REST."""
    from trainyard.pipeline import ownership, quiet
    from trainyard.pipeline.workspace import Workspace

    loaded = ownership.load(recipe)
    workspace = Workspace.of(loaded)
    quiet.before_imports()
    with _live("starting"):
        from trainyard.serving import console
        from trainyard.serving.options import Options
    quiet.log_to(logging.ERROR)
    console.serve(
        Options(
            model_name=loaded.name,
            model_base_path=workspace.serving,
            host=host,
            port=port,
            rest_api_port=rest_api_port,
            num_versions=num_versions,
            tensorflow_intra_op_parallelism=threads,
            batching=batching,
            log_folder=workspace.requests,
            log_sampling_rate=log_sampling_rate,
        )
    )


@app.command()
def profile(
    recipe: RecipeFile,
    seconds: Annotated[
        float, typer.Option(min=0.1, help="About how long each of three measurements takes.")
    ] = 5.0,
) -> None:
    """Says whether training waits for its input or its steps, and what to change."""
    from trainyard.pipeline import frameworks
    from trainyard.pipeline.recipe import load_recipe

    loaded = load_recipe(recipe)
    with frameworks.loading(cloud=loaded.engine.name != "local"), _live("checking the recipe"):
        from trainyard.pipeline.check import check as check_recipe
        from trainyard.pipeline.profile import profile as measure

        complete = check_recipe(loaded, recipe).recipe
    _print("\n" + measure(complete, seconds))


@app.command()
def worker(
    recipe: RecipeFile,
    wait: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for the chief's `trainyard run`.")
    ] = 600.0,
) -> None:
    """Trains along with the chief's run, on a machine that TF_CONFIG names."""
    from trainyard.pipeline import quiet
    from trainyard.pipeline.recipe import load_recipe
    from trainyard.pipeline.workspace import Workspace

    loaded = load_recipe(recipe)
    quiet.before_imports()
    from trainyard.trainer_modules.harness import workers

    with _live("waiting for the chief"):
        workers.follow(Workspace.of(loaded).checkpoints, wait)


@app.command()
def doctor() -> None:
    """Says in plain words whether this machine can run Trainyard."""
    from rich.console import Console

    from trainyard.pipeline import doctor as surgery

    with _live():
        checks = surgery.checks()
    Console(highlight=False, emoji=False).print(surgery.render(checks))
    if any(check.state == "failed" for check in checks):
        raise typer.Exit(8)


@app.command()
def new(
    recipe: Annotated[Path, typer.Argument(metavar="RECIPE", help="The recipe file to write.")],
    data: Annotated[
        Path,
        typer.Option("--data", help="A CSV or Parquet file, or a folder with a text file a class."),
    ],
    label: Annotated[
        str, typer.Option("--label", help="The column to predict; of a folder, `label`.")
    ],
    force: Annotated[bool, typer.Option("--force", help="Overwrite RECIPE.")] = False,
) -> None:
    """Writes a starter recipe for a file: types, leaks, baseline, slices, thresholds."""
    from trainyard.pipeline.starter import new_recipe

    with _live():
        starter = new_recipe(recipe, data, label, force=force)
    _print("\n".join([*starter.sentences, *(f"warning: {text}" for text in starter.warnings)]))
    _print(f"\nwrote {starter.path}; now: trainyard run {starter.path}")


@schema_app.command("infer")
def schema_infer(
    recipe: RecipeFile,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Where to; else standard output.")
    ] = None,
) -> None:
    """Infers a schema from a recipe's data, to be reviewed and kept."""
    from trainyard.pipeline import quiet

    quiet.before_imports()
    from trainyard.files import write_whole
    from trainyard.pipeline import schemas
    from trainyard.pipeline.recipe import load_recipe

    text = schemas.infer(load_recipe(recipe, schema_must_exist=False))
    if output is None:
        _print(text)
    else:
        write_whole(output, text)
        _print(f"wrote {output}: read it, mend it, and name it as data.schema in the recipe")


@schema_app.command("show")
def schema_show(
    of: Annotated[str, typer.Argument(metavar="WHAT", help="A schema file, a recipe or a run.")],
) -> None:
    """Shows a schema as a table."""
    from rich.console import Console

    from trainyard.pipeline import quiet

    quiet.before_imports()
    from trainyard.pipeline import schemas

    Console(highlight=False, emoji=False).print(schemas.show(schemas.load(of)))


@schema_app.command("diff")
def schema_diff(
    before: Annotated[str, typer.Argument(help="A schema file, a recipe or a run.")],
    after: Annotated[str, typer.Argument(help="A schema file, a recipe or a run.")],
) -> None:
    """Says in sentences how two schemas differ; exit code 1 if they do."""
    from trainyard.pipeline import quiet

    quiet.before_imports()
    from trainyard.pipeline import schemas

    sentences = schemas.diff(schemas.load(before), schemas.load(after))
    _print("\n".join(sentences) if sentences else "no difference")
    raise typer.Exit(1 if sentences else 0)


def _conclude(record: RunRecord) -> None:
    """Prints the verdict; a run that did not push ends with its own exit code."""
    from trainyard.pipeline import listing

    _print("\n" + listing.why(record))
    page = record.folder / "report.html"
    _print(f"report: {page if page.exists() else 'trainyard report writes it'}")
    if not record.verdict.pushed:
        raise typer.Exit(NotPushedError.exit_code)


def _live(text: str = "") -> AbstractContextManager[None]:
    from trainyard.pipeline.console import working

    return working(text)


def _print(text: str) -> None:
    from rich.console import Console

    Console(highlight=False, emoji=False, soft_wrap=True, markup=False).print(text)


def answer() -> int:
    """Runs the command line; a user's mistake is one error on stderr.

    Returns:
        The exit code.
    """
    try:
        app()
    except SystemExit as ending:
        return int(ending.code or 0)
    except TrainyardError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return error.exit_code
    except KeyboardInterrupt:
        print("interrupted; resume it: trainyard resume", file=sys.stderr)  # noqa: T201
        return 130
    except BrokenPipeError:
        return 0
    return 0


def main() -> None:
    """The console script.

    Native threads of Arrow may still hold Python objects; one that asks for the
    interpreter while it shuts down aborts the process after all is done. So there
    is no shutting down: what was written is flushed, and the process ends.
    """
    code = answer()
    with suppress(BrokenPipeError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)
