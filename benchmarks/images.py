"""Measures training on images: what its input, its step, and both together reach.

    python -m benchmarks.images                  # every case that this machine has the device for
    python -m benchmarks.images cnn resnet       # some of them

All cases train on the same photographs, JPEG files of 320 by 240 pixels that are made here, so
nothing is downloaded. `trainyard profile` measures each in a process of its own: batches of the
input pipeline alone (decoding, resizing, the module's `augment`), steps alone on one batch, and
training. Training should reach 90 % of the slower of the two; where there is no GPU they share
the processor, and together they can reach 1 / (1/input + 1/step) if each alone keeps it busy.
The input is measured again on one core.

With a GPU, ResNet-50 and EfficientNetV2-S run at 224 pixels and batch 256, in float32, bfloat16,
and bfloat16 with XLA. Those cases have not been run: no GPU was at hand.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from trainyard.files import write_whole

PHOTOS = 2000
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

HEADER = (
    "| case | pixels | batch | input images/s | step images/s | both can | training images/s | "
    "of the slower | input, one core | more by all |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
)


@dataclass(frozen=True)
class Rates:
    """Images a second.

    Attributes:
        input: What the input pipeline makes, alone.
        step: What steps take, alone.
        training: Both together.
        cores: That they had.
    """

    input: float
    step: float
    training: float
    cores: int


def main() -> int:
    """Measures and prints a table."""
    options = _options()
    if options.recipe:
        sys.stdout.write(json.dumps(dataclasses.asdict(_rates(options.recipe, options.seconds))))
        return 0
    # Beside the user's own runs, whose cache it must not touch.
    home = Path(os.environ.get("TRAINYARD_HOME", "trainyard_out")).absolute() / "images"
    photos = make_photos(home / "photos", PHOTOS)
    cases = {name: CASES[name] for name in options.cases} or _fitting()
    sys.stdout.write(f"{HEADER}\n")
    for name, case in cases.items():
        file = home / f"{name.lower().replace(' ', '_').replace(',', '')}.yaml"
        write_whole(file, json.dumps(case.recipe(file.stem.replace("-", "_"), photos)))
        every = sorted(os.sched_getaffinity(0))
        all_cores, one_core = (_apart(file, c, options.seconds) for c in (every, every[:1]))
        sys.stdout.write(f"{row(name, case, all_cores, one_core)}\n")
        sys.stdout.flush()
    return 0


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


def row(name: str, case: Case, all_cores: Rates, one_core: Rates) -> str:
    """Returns a line of the table.

    Args:
        name: The case's.
        case: What was trained.
        all_cores: With all processors.
        one_core: With one of them.
    """
    share = all_cores.training / min(all_cores.input, all_cores.step)
    both = 1 / (1 / all_cores.input + 1 / all_cores.step)
    rates = [all_cores.input, all_cores.step, both, all_cores.training]
    shown = [f"{rate:,.0f}" for rate in rates]
    gained = f"{all_cores.input / one_core.input:.2f} by {all_cores.cores}"
    cells = [str(case.pixels), str(case.batch), *shown, f"{share:.2f}"]
    return f"| {' | '.join([name, *cells, f'{one_core.input:,.0f}', gained])} |"


def _apart(file: Path, cores: Sequence[int], seconds: float) -> Rates:
    """Measures a recipe in a process of its own, on some processors."""
    command = [sys.executable, "-m", "benchmarks.images", "--recipe", str(file)]
    command += ["--seconds", str(seconds)]
    before, quiet = os.sched_getaffinity(0), {"TF_CPP_MIN_LOG_LEVEL": "3"}
    environment = os.environ | quiet | {"TRAINYARD_HOME": str(file.parent)}
    os.sched_setaffinity(0, cores)  # which what is started inherits, its first thread on
    try:
        ended = subprocess.run(command, stdout=subprocess.PIPE, check=True, env=environment)
    finally:
        os.sched_setaffinity(0, before)
    return Rates(**json.loads(ended.stdout.splitlines()[-1]))


def _rates(file: Path, seconds: float) -> Rates:
    from trainyard.pipeline import profile
    from trainyard.pipeline.recipe import load_recipe

    measured = profile.measure(load_recipe(file), seconds)
    took = measured.input, measured.compute, measured.training
    return Rates(*(measured.rows / each for each in took), cores=measured.cores)


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
