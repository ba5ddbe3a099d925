"""The data sets that Trainyard knows by name.

A public set is fetched from its publisher, prepared (a header, a delimiter),
and verified: `sha256` is that of the prepared file, `raw_sha256` that of the
publisher's. The prepared digests are of files at hand. The raw ones of Adult
and housing were got by undoing the preparation, and are the same that other
projects publish for these addresses, and so is that of CIFAR-10, which Keras
states; nothing was downloaded to find them.
"""

from __future__ import annotations

import glob
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from operator import attrgetter
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from trainyard.data import cifar, embedded, homes, imdb, paraphrase, prepare
from trainyard.data.download import download
from trainyard.errors import DataError, EnvironmentProblem, RecipeError, nearest
from trainyard.files import write_whole


@dataclass(frozen=True)
class PublicFile:
    """A file that its publisher keeps.

    Attributes:
        path: Its place in the data home.
        sha256: The digest of the prepared file.
        address: Where the publisher keeps it.
        raw_sha256: The digest of what is there; None if not known.
        prepare: Makes the prepared file of it.
    """

    path: str
    sha256: str
    address: str
    raw_sha256: str | None
    prepare: Callable[[bytes], bytes]

    @property
    def place(self) -> Path:
        """Where the prepared file stands."""
        return homes.data_home() / self.path

    def provide(self) -> None:
        """Makes sure that the prepared file is there and is the right one.

        Raises:
            EnvironmentProblem: It cannot be fetched or written.
            DataError: It is not the file that is meant.
        """
        if not self.place.is_file():
            self._fetch()
        homes.verify(self.place, self.sha256)

    def read(self) -> bytes:
        """Returns the content of the prepared file; see `provide`."""
        self.provide()
        return self.place.read_bytes()

    def _fetch(self) -> None:
        raw = self.place.with_name(f"{self.place.name}.raw")
        if not raw.is_file():
            download(self.address, raw, self.raw_sha256)
        elif self.raw_sha256:
            homes.verify(raw, self.raw_sha256)
        try:
            write_whole(self.place, self.prepare(raw.read_bytes()))
            raw.unlink()
        except ValueError as error:
            raise DataError(
                f"what was downloaded is not as Trainyard knows it: {error}",
                where=str(raw),
                hint="the publisher has changed it: give your own copy in `data.path`",
            ) from None
        except OSError as error:
            raise homes.not_writable(self.place.parent, error) from None


@dataclass(frozen=True)
class EmbeddedFile:
    """A file that is written from an installed package, or from another data set.

    Attributes:
        path: Its place in the cache.
        content: Makes its content.
    """

    path: str
    content: Callable[[], bytes]

    @property
    def place(self) -> Path:
        """Where the file stands."""
        return homes.cache() / self.path

    def provide(self) -> None:
        """Writes the file, if it is not there.

        Raises:
            EnvironmentProblem: It cannot be written.
        """
        if self.place.is_file():
            return
        try:
            write_whole(self.place, self.content())
        except OSError as error:
            raise homes.not_writable(self.place.parent, error) from None


@dataclass(frozen=True)
class PublicFolder:
    """A folder that its publisher keeps in a form that is to be unpacked by hand.

    Its content is not verified: no digest is known that the publisher's form has.

    Attributes:
        path: Its place in the data home.
        address: Where the publisher keeps it.
        parts: Folders that have to be in it.
    """

    path: str
    address: str
    parts: tuple[str, ...]

    @property
    def place(self) -> Path:
        """Where the folder stands."""
        return homes.data_home() / self.path

    def provide(self) -> None:
        """Makes sure that the folder is there.

        Raises:
            EnvironmentProblem: It is not.
        """
        if absent := [part for part in self.parts if not (self.place / part).is_dir()]:
            raise EnvironmentProblem(
                f"the data are not there: no folder {absent[0]}",
                where=str(self.place),
                expected=", ".join(self.parts),
                hint=f"unpack {self.address} there, or set TRAINYARD_DATA_HOME to where they are",
            )


@dataclass(frozen=True)
class Original:
    """A file as its publisher keeps it.

    Attributes:
        path: Its place in the data home.
        address: Where the publisher keeps it.
        digest: Its SHA-256, or its MD5 if that is all that is published.
    """

    path: str
    address: str
    digest: str

    def provide(self) -> Path:
        """Makes sure that the file is there and is the right one, and returns it.

        Raises:
            EnvironmentProblem: It cannot be fetched or written.
            DataError: It is not the file that is meant.
        """
        file = homes.data_home() / self.path
        if file.is_file():
            homes.verify(file, self.digest)
        else:
            download(self.address, file, self.digest)
        return file


@dataclass(frozen=True)
class PublicArchive:
    """Files that their publisher keeps, and the folder that is made of them.

    Attributes:
        originals: The publisher's files; the folder is named after the first.
        unpack: Writes files, given the originals and an empty folder.
    """

    originals: tuple[Original, ...]
    unpack: Callable[..., None]

    @property
    def place(self) -> Path:
        """Where the files stand that are made of them."""
        first = self.originals[0]
        name = PurePosixPath(first.path).name.partition(".")[0]
        return homes.cache() / "unpacked" / f"{name}-{first.digest[:8]}"

    def provide(self) -> None:
        """Makes sure that the files are there, made of the originals that are meant.

        Raises:
            EnvironmentProblem: An original cannot be fetched, or something not be written.
            DataError: An original is not the one that is meant.
        """
        if self.place.is_dir():
            return
        originals = [each.provide() for each in self.originals]
        try:
            self.place.parent.mkdir(parents=True, exist_ok=True)
            with TemporaryDirectory(dir=self.place.parent) as folder:
                whole = Path(folder) / "whole"
                whole.mkdir()
                self.unpack(*originals, whole)
                with suppress(OSError):  # another process may have been faster
                    whole.rename(self.place)
        except OSError as error:
            raise homes.not_writable(self.place.parent, error) from None


_PARTS_OF_NAMES = (attrgetter("stem"), attrgetter("suffix"))


@dataclass(frozen=True)
class Dataset:
    """Data with a name.

    Attributes:
        name: What a recipe calls it.
        title: What it is, in a line.
        rows: How many rows all files have together.
        licence: Under which terms it may be used.
        homepage: Where to read about it.
        files: What it consists of, all in one folder and of one form.
        reading: What a recipe's data section says if it does not say otherwise.
    """

    name: str
    title: str
    rows: int
    licence: str
    homepage: str
    files: tuple[PublicFile | EmbeddedFile | PublicFolder | PublicArchive, ...]
    reading: Mapping[str, Any] = field(default_factory=dict)

    @property
    def pattern(self) -> str:
        """The path, or the glob if there are several files."""
        first = self.files[0].place
        if len(self.files) == 1:
            return str(first)
        stems, suffixes = ({part(each.place) for each in self.files} for part in _PARTS_OF_NAMES)
        name = "".join(part.pop() if len(part) == 1 else "*" for part in (stems, suffixes))
        return str(Path(glob.escape(str(first.parent))) / name)


def find(name: str) -> Dataset:
    """Returns the data set of that name.

    Raises:
        RecipeError: There is none.
    """
    if name not in DATASETS:
        raise RecipeError(
            f"there is no dataset {name!r}", where="data.dataset", hint=nearest(name, DATASETS)
        )
    return DATASETS[name]


def fetch(name: str) -> str:
    """Makes sure that a data set is on this machine.

    Args:
        name: One of `DATASETS`.

    Returns:
        The path of its file, or a glob for its files.

    Raises:
        RecipeError: There is no data set of that name.
        EnvironmentProblem: It cannot be fetched or written.
        DataError: A file is not the one that is meant, or stands among others.
    """
    dataset = find(name)
    for file in dataset.files:
        file.provide()
    expected = {str(file.place) for file in dataset.files}
    if others := set(glob.glob(dataset.pattern)) - expected:  # noqa: PTH207
        raise DataError(
            f"there are files beside those of {name}: {', '.join(sorted(others))}",
            where=str(Path(dataset.pattern).parent),
            hint="move them elsewhere",
        )
    return dataset.pattern


_SKLEARN = "https://scikit-learn.org/stable/datasets/toy_dataset.html"
_UCI = "https://archive.ics.uci.edu/ml/machine-learning-databases"
_ADULT = (
    "age,workclass,fnlwgt,education,education_num,marital_status,occupation,relationship,"
    "race,sex,capital_gain,capital_loss,hours_per_week,native_country,income"
)
_HOUSING = "crim,zn,indus,chas,nox,rm,age,dis,rad,tax,ptratio,b,lstat,medv"


def _from_sklearn(name: str, label: str, title: str, rows: int) -> Dataset:
    file = EmbeddedFile(f"embedded/{name}.csv", partial(embedded.table, name, label))
    return Dataset(name, title, rows, "scikit-learn's copy, from UCI: CC BY 4.0", _SKLEARN, (file,))


_REVIEWS = "https://www.cs.cornell.edu/people/pabo/movie-review-data/rt-polaritydata.tar.gz"
_SHAKESPEARE = "86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed"


# The publisher's file grows; the digest is that of an edition.
_TRANSLATION = PublicFile(
    "translation/eng-fra.txt",
    "d952b56a181da5270b7bb4ded3f3bbe61e67a9b1de0e0fbc1d46438c71fb55a7",
    "https://www.manythings.org/anki/fra-eng.zip",
    None,
    partial(prepare.first_lines, "fra.txt", 5_000),
)
_TEMPERATURES = "8b9de63ed6789492bf497625e7f9beb96a63d367b4b0a21754006f749fa5e5da"
_KERAS = "https://storage.googleapis.com/tensorflow/tf-keras-datasets"


def _reviews(label: str, sha256: str) -> PublicFile:
    name = f"rt-polarity.{label}"
    unpack = partial(prepare.member, f"rt-polaritydata/{name}")
    return PublicFile(f"reviews/{name}", sha256, _REVIEWS, None, unpack)


DATASETS: dict[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        _from_sklearn(
            "breast_cancer",
            "diagnosis",
            "Breast cancer Wisconsin: malignant or benign, from cell nuclei",
            569,
        ),
        _from_sklearn("wine", "cultivar", "Wine: which of three cultivars, from chemistry", 178),
        _from_sklearn("iris", "species", "Iris: which of three species, from petals", 150),
        _from_sklearn("digits", "digit", "Digits: handwritten, 8 by 8 pixels as columns", 1797),
        Dataset(
            "diabetes",
            "Diabetes: disease progression after a year, from ten measurements",
            442,
            "scikit-learn's copy, from Efron et al. 2004; no licence stated",
            _SKLEARN,
            (
                EmbeddedFile(
                    "embedded/diabetes.csv", partial(embedded.table, "diabetes", "progression")
                ),
            ),
        ),
        Dataset(
            "taxi",
            "Chicago taxi trips: fares, places and tips",
            15_002,
            "City of Chicago open data, through the TFX examples (Apache-2.0)",
            "https://data.cityofchicago.org/Transportation/Taxi-Trips/wrvz-psew",
            (
                PublicFile(
                    "taxi/data.csv",
                    "cdaf0b5931442ef47693f408f25a37af710aca23fccb90a78f00930e89548805",
                    "https://raw.githubusercontent.com/tensorflow/tfx/v1.16.0/"
                    "tfx/examples/chicago_taxi_pipeline/data/simple/data.csv",
                    "cdaf0b5931442ef47693f408f25a37af710aca23fccb90a78f00930e89548805",
                    prepare.as_it_is,
                ),
            ),
        ),
        Dataset(
            "adult",
            "Adult: does a person of the 1994 census earn above 50,000 dollars",
            48_842,
            "CC BY 4.0 (UCI Machine Learning Repository)",
            "https://archive.ics.uci.edu/dataset/2/adult",
            (
                PublicFile(
                    "adult/train.csv",
                    "3b8a6abd697a6623ef2ccbffc3e2802e167e7fdaa853003d3bd557b0ce7f5d2a",
                    f"{_UCI}/adult/adult.data",
                    "5b00264637dbfec36bdeaab5676b0b309ff9eb788d63554ca0a249491c86603d",
                    partial(prepare.adult, _ADULT),
                ),
                PublicFile(
                    "adult/test.csv",
                    "eb6e9f02496bed4137b1a069b8af64b90eb534ba46143948667034dddef9abd9",
                    f"{_UCI}/adult/adult.test",
                    "a2a9044bc167a35b2361efbabec64e89d69ce82d9790d2980119aac5fd7e9c05",
                    partial(prepare.adult, _ADULT),
                ),
            ),
        ),
        Dataset(
            "housing",
            "Boston housing: median value of homes in a census tract",
            506,
            "UCI / StatLib; no licence stated",
            "https://lib.stat.cmu.edu/datasets/boston",
            (
                PublicFile(
                    "housing/housing.csv",
                    "655055545008a8d50f1d59da1ec7d7d16aa324e0ae323c1ac40fc6c6888b66d8",
                    f"{_UCI}/housing/housing.data",
                    "baadf72995725d76efe787b664e1f083388c79ba21ef9a7990d87f774184735a",
                    partial(prepare.spaced, _HOUSING),
                ),
            ),
        ),
        Dataset(
            "digits_images",
            "Digits: handwritten, 8 by 8 pixels as images",
            1797,
            "scikit-learn's copy, from UCI: CC BY 4.0",
            _SKLEARN,
            (EmbeddedFile("embedded/digits_images.parquet", embedded.digits_images),),
            {"format": "parquet", "images": {}},
        ),
        Dataset(
            "digit_pairs",
            "Pairs of handwritten digits, 8 by 8 pixels: are they the same digit",
            3_531,
            "scikit-learn's copy, from UCI: CC BY 4.0",
            _SKLEARN,
            (EmbeddedFile("embedded/digit_pairs.parquet", embedded.digit_pairs),),
            {
                "format": "parquet",
                "key": "group",
                "images": ({"column": "left"}, {"column": "right"}),
            },
        ),
        Dataset(
            "mnist",
            "MNIST: handwritten digits, 28 by 28 pixels; the first thousand",
            1_000,
            "CC BY-SA 3.0 (LeCun, Cortes, Burges), through the TFX examples (Apache-2.0)",
            "https://yann.lecun.com/exdb/mnist/",
            (
                PublicFile(
                    "mnist/mnist.tfrecord",
                    "ae6c19012bf8b8ab8852c38246f8746acff08836fb251d72f93396e20d2ee7b1",
                    "https://raw.githubusercontent.com/tensorflow/tfx/v1.16.0/"
                    "tfx/examples/mnist/data/mnist.tfrecord",
                    "ae6c19012bf8b8ab8852c38246f8746acff08836fb251d72f93396e20d2ee7b1",
                    prepare.as_it_is,
                ),
            ),
            {
                "format": "tfrecord",
                "columns": {"image": "image_floats", "digit": "image_class"},
                "images": {"shape": (28, 28, 1), "range": (-0.5, 0.5)},
            },
        ),
        Dataset(
            "ants_bees",
            "Ants or bees: colour photographs",
            396,
            "a part of ImageNet, for research; no licence stated",
            "https://pytorch.org/tutorials/beginner/transfer_learning_tutorial.html",
            (
                PublicFolder(
                    "ants_bees",
                    "https://download.pytorch.org/tutorial/hymenoptera_data.zip",
                    ("train/ants", "train/bees", "val/ants", "val/bees"),
                ),
            ),
            {"format": "folders"},
        ),
        Dataset(
            "cifar10",
            "CIFAR-10: colour photographs of ten kinds of things, 32 by 32 pixels",
            60_000,
            "no licence stated (Krizhevsky 2009)",
            "https://www.cs.toronto.edu/~kriz/cifar.html",
            (
                # Keras (src/datasets/cifar10.py) has the same address and digest.
                PublicArchive(
                    (
                        Original(
                            "cifar10/cifar-10-python.tar.gz",
                            "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
                            "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
                        ),
                    ),
                    cifar.unpack,
                ),
            ),
            {"format": "parquet", "images": {}},
        ),
        Dataset(
            "reviews",
            "Film reviews: a sentence each, in favour or against",
            10_662,
            "no licence stated (Pang and Lee 2005)",
            "https://www.cs.cornell.edu/people/pabo/movie-review-data/",
            (
                _reviews("neg", "4ace77d558c3714723843f1d65b60c01e3417b208180f0728808d76ad0eeeaca"),
                _reviews("pos", "2da124ec187a9d5a29c9f04e91c540e02baed5af8868f550a26bd6fd4dbf8bf0"),
            ),
            {"format": "lines", "encoding": "latin-1"},
        ),
        Dataset(
            "temperatures",
            "Melbourne: the lowest temperature of each day, 1981 to 1990",
            3_650,
            "Bureau of Meteorology, Australia; no licence stated",
            "https://machinelearningmastery.com/time-series-datasets-for-machine-learning/",
            (
                PublicFile(
                    "temperatures/daily-min-temperatures.csv",
                    _TEMPERATURES,
                    "https://raw.githubusercontent.com/jbrownlee/Datasets/master/"
                    "daily-min-temperatures.csv",
                    None,
                    prepare.as_it_is,
                ),
            ),
            {
                "series": {
                    "time": "Date",
                    "value": "Temp",
                    "past": 30,
                    "every": "1D",
                    # The last days of 1984 and 1988, leap years, are not in the file.
                    "on_gap": "restart",
                }
            },
        ),
        Dataset(
            "shakespeare",
            "Shakespeare: scenes of his plays as one text",
            1,
            "public domain, through char-rnn (MIT)",
            "https://github.com/karpathy/char-rnn",
            (
                PublicFile(
                    "shakespeare/input.txt",
                    _SHAKESPEARE,
                    "https://raw.githubusercontent.com/karpathy/char-rnn/master/"
                    "data/tinyshakespeare/input.txt",
                    _SHAKESPEARE,
                    prepare.as_it_is,
                ),
            ),
            {"format": "text", "windows": {"length": 100}},
        ),
        Dataset(
            "translation",
            "English sentences and their translations into French; the 5,000 shortest",
            5_000,
            "CC BY 2.0 FR (Tatoeba, through manythings.org)",
            "https://www.manythings.org/anki/",
            (_TRANSLATION,),
            {"delimiter": "\t", "quoting": False, "header": ("english", "french", "source")},
        ),
        Dataset(
            "french_paraphrase",
            "Pairs of French sentences: do they translate the same English one",
            7_990,
            "CC BY 2.0 FR (Tatoeba, through manythings.org)",
            "https://www.manythings.org/anki/",
            (
                EmbeddedFile(
                    "derived/french_paraphrase.csv", lambda: paraphrase.pairs(_TRANSLATION.read())
                ),
            ),
            {"key": ("first", "second")},
        ),
        Dataset(
            "imdb",
            "IMDB: film reviews, in favour or against, as Keras has them: without punctuation",
            50_000,
            "no licence stated (Maas et al. 2011)",
            "https://ai.stanford.edu/~amaas/data/sentiment/",
            (
                # Keras (src/datasets/imdb.py) has the same addresses and digests.
                PublicArchive(
                    (
                        Original(
                            "imdb/imdb.npz",
                            f"{_KERAS}/imdb.npz",
                            "69664113be75683a8fe16e3ed0ab59fda8886cb3cd7ada244f7d9544e4676b9f",
                        ),
                        Original(
                            "imdb/imdb_word_index.json",
                            f"{_KERAS}/imdb_word_index.json",
                            "bfafd718b763782e994055a2d397834f",
                        ),
                    ),
                    imdb.unpack,
                ),
            ),
            {"format": "parquet"},
        ),
    )
}
