"""Measures training on images: what its input, its step, and both together reach.

    python -m benchmarks.images                  # every case that this machine has the device for
    python -m benchmarks.images cnn resnet       # some of them

All cases train on the same photographs, JPEG files of 320 by 240 pixels that are made here, so
nothing is downloaded. Each is measured in a process of its own: decoding, and, by what
`trainyard profile` does, batches of the input pipeline alone (with the module's `augment`), steps
alone on one batch, and training. Each is measured again on one core.

What was measured stays in trainyard_out/images/measured.json under its case, and all of it is
written to benchmarks/IMAGES.md. With a GPU, ResNet-50 and EfficientNetV2-S run at 224 pixels and
batch 256, in float32, bfloat16, and bfloat16 with XLA, and are held against the chip's peak.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks import arithmetic, machine, measuring
from trainyard.files import write_whole
from trainyard.recipe_schema import ImageFeature, Recipe

PHOTOS = 2000
DECODED = 1000
SIZE = 320, 240
JPEG_QUALITY = 90

SEED = 1

RESNET_50 = {"filters": 64, "stem": "imagenet", "stages": [3, 4, 6, 3], "block": "bottleneck"}
SIXTEEN_BITS = {"precision": "mixed_bfloat16"}
MODES: dict[str, dict[str, Any]] = {
    "float32": {"jit_compile": False},
    "bfloat16": SIXTEEN_BITS | {"jit_compile": False},
    "bfloat16, jit": SIXTEEN_BITS | {"jit_compile": True},
}


@dataclass(frozen=True)
class Case:
    """One model to train.

    Attributes:
        module: The trainer module.
        params: Its hyperparameters.
        pixels: Height and width of the model's input.
        batch: Images a step.
        trainer: What else the recipe's trainer section says.
        on_gpu: Whether it needs one.
    """

    module: str
    params: Mapping[str, Any]
    pixels: int
    batch: int = 32
    trainer: Mapping[str, Any] = field(default_factory=dict)
    on_gpu: bool = False

    def recipe(self, name: str, photos: Path) -> dict[str, Any]:
        """Returns a whole recipe.

        Args:
            name: What it is called.
            photos: A folder of class folders.
        """
        image = {"kind": "image", "size": [self.pixels] * 2, "resize": "crop"}
        trainer = {"module": self.module, "params": self.params, "batch_size": self.batch}
        return {
            "name": name,
            "data": {
                "path": str(photos),
                "format": "folders",
                "split": {"train": 8, "eval": 1, "test": 1},
            },
            "label": "label",
            "task": "binary",
            "features": {"image": image},
            "trainer": {**trainer, "epochs": 1, "seed": SEED, **self.trainer},
            "evaluation": {"metrics": ["auc"], "thresholds": []},
        }


def _large(module: str, params: Mapping[str, Any]) -> dict[str, Case]:
    """The cases of a large model, which a GPU is for."""
    name = params.get("backbone", "ResNet-50")
    return {
        f"{module} {name} {mode}": Case(module, params, 224, 256, trainer, on_gpu=True)
        for mode, trainer in MODES.items()
    }


CASES = {
    "cnn": Case("cnn", {"filters": [16, 32, 64], "augmentation": {"flip": "horizontal"}}, 64),
    "resnet": Case("resnet", {"stages": [2, 2, 2], "augmentation": {"flip": "horizontal"}}, 64),
    "transfer": Case("transfer", {"backbone": "MobileNetV3Small", "weights": "none"}, 96),
    "large_image": Case("large_image", {"backbone": "EfficientNetV2B0"}, 96),
    **_large("resnet", RESNET_50),
    **_large("large_image", {"backbone": "EfficientNetV2S"}),
}

PAGE = Path(__file__).parent / "IMAGES.md"

GOOD_SHARE = 0.9
"""What training should reach of the slower of input and step."""


@dataclass(frozen=True)
class Rates:
    """Images a second.

    Attributes:
        decoding: From files to pixels of the model's size: once, if those can be held.
        input: What the input pipeline makes, alone.
        step: What steps take, alone.
        training: Both together.
        cores: That they had.
        operations: Of training on one image, as `arithmetic` counts them.
        device: The GPU's name; empty without one.
        others: Processors that other programs kept busy meanwhile, on average.
    """

    decoding: float
    input: float
    step: float
    training: float
    cores: int
    operations: int = 0
    device: str = ""
    others: float = 0.0

    @property
    def slower(self) -> float:
        """Of input and step."""
        return min(self.input, self.step)

    @property
    def together(self) -> float:
        """What both can reach: the slower's, or less where they share the processor."""
        return self.slower if self.device else 1 / (1 / self.input + 1 / self.step)


@dataclass(frozen=True)
class Measured:
    """A case with all processors and with one.

    Attributes:
        all_cores: With all of them.
        one_core: With one.
        commit: What was measured.
    """

    all_cores: Rates
    one_core: Rates
    commit: str

    @property
    def rates(self) -> tuple[Rates, Rates]:
        """Both."""
        return self.all_cores, self.one_core

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Measured:
        """Reads what `dataclasses.asdict` wrote."""
        return cls(Rates(**entry["all_cores"]), Rates(**entry["one_core"]), entry["commit"])


def main() -> int:
    """Measures, prints a line a case, and writes the page."""
    options = _options()
    if options.recipe:
        rates = dataclasses.asdict(_rates(options.recipe, options.seconds))
        write_whole(_told(options.recipe), json.dumps(rates))
        return 0
    # Beside the user's own runs, whose cache it must not touch.
    home = Path(os.environ.get("TRAINYARD_HOME", "trainyard_out")).absolute() / "images"
    photos = make_photos(home / "photos", PHOTOS)
    state = home / "measured.json"
    entries = json.loads(state.read_text("utf-8")) if state.exists() else {}
    for name in options.cases or _fitting():
        measured = _measured(name, home, photos, options.seconds)
        entries[name] = dataclasses.asdict(measured)
        write_whole(state, json.dumps(entries, indent=1))
        sys.stdout.write(f"{processor_row(name, measured)}\n")
        sys.stdout.flush()
    known = {name: Measured.of(entries[name]) for name in CASES if name in entries}
    write_whole(PAGE, page(known, machine.described(machine.facts())))
    return 0


def _measured(name: str, home: Path, photos: Path, seconds: float) -> Measured:
    file = home / f"{name.lower().replace(' ', '_').replace(',', '')}.yaml"
    write_whole(file, json.dumps(CASES[name].recipe(file.stem.replace("-", "_"), photos)))
    every = sorted(os.sched_getaffinity(0))
    rates = (_apart(file, cores, seconds) for cores in (every, every[:1]))
    return Measured(*rates, commit=machine.commit(["trainyard", "requirements.lock"]))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.images", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("cases", nargs="*", type=_known, help="all that fit, if none")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--recipe", type=Path, help=argparse.SUPPRESS)  # measures in this process
    return parser.parse_args()


def _known(name: str) -> str:
    if name not in CASES:
        raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(map(repr, CASES))}")
    return name


def _fitting() -> dict[str, Case]:
    """The cases for the device that TensorFlow sees, asked in a process that then ends."""
    asked = "import tensorflow as tf; print(len(tf.config.list_physical_devices('GPU')))"
    command = [sys.executable, "-c", asked]
    answered = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    with_gpu = int(answered.split()[-1]) > 0
    return {name: case for name, case in CASES.items() if case.on_gpu == with_gpu}


PROCESSOR_HEADER = (
    "| case | pixels | batch | decoding images/s | of one core's | input images/s | "
    "of one core's | step images/s | both can | training images/s | of the slower | "
    "of what both can | commit |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)
GPU_HEADER = (
    "| case | device | step, ms | step images/s | TFLOP/s | of peak | training images/s | "
    "of the slower |\n| --- | --- | --- | --- | --- | --- | --- | --- |"
)


def processor_row(name: str, measured: Measured) -> str:
    """Returns a line of the first table.

    Args:
        name: The case's.
        measured: Its rates.
    """
    case, rates, alone = CASES[name], measured.all_cores, measured.one_core
    pairs = (rates.decoding, alone.decoding), (rates.input, alone.input)
    gained = [cell for all_, one in pairs for cell in (f"{all_:,.0f}", f"{all_ / one:.2f}")]
    shown = [f"{rate:,.0f}" for rate in (rates.step, rates.together, rates.training)]
    shares = [f"{rates.training / best:.2f}" for best in (rates.slower, rates.together)]
    cells = [name, str(case.pixels), str(case.batch), *gained, *shown, *shares, measured.commit]
    return f"| {' | '.join(cells)} |"


def gpu_row(name: str, measured: Measured) -> str:
    """Returns a line of the second table.

    Args:
        name: The case's.
        measured: Its rates, on a GPU.
    """
    case, rates = CASES[name], measured.all_cores
    operations = rates.step * rates.operations
    precision = case.trainer.get("precision", "float32")
    share = arithmetic.share_of_peak(operations, rates.device, precision)
    cells = [
        name,
        rates.device,
        f"{1000 * case.batch / rates.step:.1f}",
        f"{rates.step:,.0f}",
        f"{operations / 1e12:.1f}",
        "not known" if share is None else f"{share:.2f}",
        f"{rates.training:,.0f}",
        f"{rates.training / rates.slower:.2f}",
    ]
    return f"| {' | '.join(cells)} |"


def page(measured: Mapping[str, Measured], described: str) -> str:
    """Returns the page as Markdown.

    Args:
        measured: By the case's name.
        described: The machine, in words.
    """
    on_gpu = {name: one for name, one in measured.items() if one.all_cores.device}
    never = [name for name in CASES if name not in measured]
    parts = [
        "# Training on images: how fast\n\nWritten by `python -m benchmarks.images`; not to be "
        "edited by hand.",
        f"{described}.",
        "\n".join([PROCESSOR_HEADER, *(processor_row(n, one) for n, one in measured.items())]),
        _verdict(measured),
        _conditions(measured),
        "## On a GPU",
        "\n".join([GPU_HEADER, *(gpu_row(n, one) for n, one in on_gpu.items())] if on_gpu else []),
        "The backend was Keras on TensorFlow." if on_gpu else "",
        f"Never run: {', '.join(never)}." if never else "",
        _HOW,
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _verdict(measured: Mapping[str, Measured]) -> str:
    bounds = {"the slower of input and step": "slower", "what both can": "together"}
    return "\n".join(
        f"- Short of {GOOD_SHARE:.0%} of {words}: {', '.join(_short(measured, bound)) or 'none'}."
        for words, bound in bounds.items()
    )


def _short(measured: Mapping[str, Measured], bound: str) -> list[str]:
    reached = {n: o.all_cores.training / getattr(o.all_cores, bound) for n, o in measured.items()}
    return [f"{name} ({share:.2f})" for name, share in reached.items() if share < GOOD_SHARE]


def _conditions(measured: Mapping[str, Measured]) -> str:
    others = max((rates.others for one in measured.values() for rates in one.rates), default=0.0)
    said = f"Meanwhile other programs kept at most {others:.1f} cores busy."
    if others <= measuring.BUSY_CORES:
        return said
    return f"**Measured on a machine that was busy with other work: first figures only.** {said}"


_HOW = """\
## How it was measured

- Photographs: 2,000 JPEG files of 320 by 240 pixels, made with a fixed seed.
- decoding: from such files to pixels of the model's size. It is done once if the pixels of a
  split can be held in memory, else anew in every epoch, within the input.
- input: batches of the pipeline with nothing else to do. step: training steps on one batch that is
  there already. training: steps of `fit` as a run does them, what lies between epochs left out.
- The goal is 0.90 of the slower. both can: on a GPU that is the slower of the two. Without one,
  input and step share the processor, and two that each keep all cores busy reach
  1 / (1 / input + 1 / step) together, so that the goal can be out of reach.
- "of one core's": against the same in a process that has one core.
- TFLOP/s counts two operations a multiply-add of convolutions and matrix products, three times
  those of a forward pass, from the traced graph; the peak is the chip's data sheet's on dense
  matrices, of TF32 for float32 (`benchmarks/arithmetic.py`)."""


def _apart(file: Path, cores: Sequence[int], seconds: float) -> Rates:
    """Measures a recipe in a process of its own, on some processors."""
    command = [sys.executable, "-m", "benchmarks.images", "--recipe", str(file)]
    before, log = os.sched_getaffinity(0), file.with_suffix(".log")
    os.sched_setaffinity(0, cores)  # which what is started inherits, its first thread on
    try:
        cost = measuring.measure(
            [*command, "--seconds", str(seconds)],
            folder=Path.cwd(),
            log=log,
            environment={"TF_CPP_MIN_LOG_LEVEL": "3", "TRAINYARD_HOME": str(file.parent)},
        )
    finally:
        os.sched_setaffinity(0, before)
    told = json.loads(_told(file).read_text("utf-8"))
    return Rates(**told | {"others": cost.others_cores})


def _told(file: Path) -> Path:
    """Where the process that measures a recipe leaves its rates."""
    return file.with_suffix(".rates.json")


def _rates(file: Path, seconds: float) -> Rates:
    from trainyard.pipeline import profile
    from trainyard.pipeline.recipe import load_recipe

    recipe = load_recipe(file)
    measured = profile.measure(recipe, seconds)
    took = measured.input, measured.compute, measured.training
    rates = (measured.rows / each for each in took)
    return Rates(_decoding(recipe), *rates, measured.cores, operations(recipe), _gpu())


def _decoding(recipe: Recipe) -> float:
    import tensorflow as tf

    from trainyard.trainer_modules.harness import inputs

    ((name, feature),) = _images(recipe).items()
    photos = sorted(Path(recipe.data.path).rglob("*.jpg"))[:DECODED]
    files = tf.constant([[photo.read_bytes()] for photo in photos])
    inputs.pixels(files[:8], feature, name)  # traces
    began = time.perf_counter()
    inputs.pixels(files, feature, name)
    return len(photos) / (time.perf_counter() - began)


def _images(recipe: Recipe) -> dict[str, ImageFeature]:
    """A resolved recipe names its label among the features."""
    return {n: f for n, f in recipe.features.items() if isinstance(f, ImageFeature)}


def operations(recipe: Recipe) -> int:
    """Counts the operations of training on one image.

    Args:
        recipe: Its model takes images alone.
    """
    from trainyard.trainer_modules import registry
    from trainyard.trainer_modules.harness.spec import InputSpec, LabelSpec, ModelSpec

    inputs = {n: InputSpec(image.shape, "float32") for n, image in _images(recipe).items()}
    label = LabelSpec(rows=2, class_names=("dark", "light"), class_counts=(1, 1))
    module = registry.find(recipe.trainer.module)
    params = registry.params(module, recipe.trainer.params)
    spec = ModelSpec.of_one(inputs, recipe.task, label, recipe.trainer)
    return arithmetic.training(module.build_model(params, spec))


def _gpu() -> str:
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    return tf.config.experimental.get_device_details(gpus[0])["device_name"] if gpus else ""


def make_photos(folder: Path, count: int) -> Path:
    """Writes photographs of nothing, in two class folders, if they are not there.

    Args:
        folder: Where to.
        count: How many.

    Returns:
        The folder.
    """
    chance = np.random.default_rng(SEED)
    for number, name in enumerate(_names(count)):
        file = folder / name
        if not file.is_file():
            file.parent.mkdir(parents=True, exist_ok=True)
            _photo(chance, light=number % 2).save(file, quality=JPEG_QUALITY)
    return folder


def _names(count: int) -> Iterator[str]:
    return (f"{('dark', 'light')[n % 2]}/{n:05}.jpg" for n in range(count))


def _photo(chance: np.random.Generator, light: int) -> Image.Image:
    """Broad shapes under a little noise: a JPEG file as large as a photograph's."""
    shapes = chance.integers(60 * light, 196 + 60 * light, (6, 8, 3), np.uint8)
    smooth = np.asarray(Image.fromarray(shapes).resize(SIZE, Image.Resampling.BICUBIC))
    noise = chance.normal(0, 6, smooth.shape)
    return Image.fromarray(np.clip(smooth + noise, 0, 255).astype(np.uint8))


if __name__ == "__main__":
    raise SystemExit(main())
