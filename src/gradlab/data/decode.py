"""The formats in which FashionMNIST and CIFAR-10 come, as functions from bytes to arrays."""

import io
import json
import pickle
import struct

import numpy as np
from PIL import Image

from gradlab.data.identity import RECORD, ContentError

# The four globals that a pickled NumPy array names, as NumPy 1 called them.
_ARRAY_GLOBALS = {
    ("numpy.core.multiarray", "_reconstruct"): np.ndarray.__reduce__(np.empty(0))[0],
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
}


class _ArrayUnpickler(pickle.Unpickler):
    """Builds containers, strings, numbers and arrays, and nothing else that a pickle could name."""

    def find_class(self, module: str, name: str) -> object:
        try:
            return _ARRAY_GLOBALS[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"a pickled batch has no use for {module}.{name}") from None


def read_idx(content: bytes) -> np.ndarray:
    """Return the array in an IDX file of unsigned bytes.

    Parameters
    ----------
    content
        Two zero bytes, 0x08 for unsigned bytes, the number of dimensions, each dimension as a big-endian uint32, then
        the values in row-major order.

    Returns
    -------
    ndarray of uint8
        A read-only view into `content`.

    Raises
    ------
    ContentError
        Where the header is another one or the length does not agree with it.
    """
    if len(content) < 4 or content[:3] != b"\x00\x00\x08":
        raise ContentError(f"an IDX file of unsigned bytes begins with 00 00 08; got {content[:3].hex(' ')}")
    header = 4 + 4 * content[3]
    if len(content) < header:
        raise ContentError(f"an IDX header with {content[3]} dimensions has {header} bytes; got {len(content)}")
    shape = struct.unpack(f">{content[3]}I", content[4:header])
    values = np.frombuffer(content, np.uint8, offset=header)
    if values.size != np.prod(shape, dtype=object):
        raise ContentError(f"an IDX file of shape {shape} does not have {values.size} values")
    try:
        return values.reshape(shape)
    except ValueError as error:  # more dimensions than NumPy has, or sides too long beside one of 0
        raise ContentError(f"an IDX file of shape {shape}: {error}") from error


def read_records(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Return the pixels and the labels in CIFAR-10's binary records.

    Returns
    -------
    pixels : ndarray of uint8, shape (n, 3072)
        The red, green and blue plane of each image, each row by row.
    labels : ndarray of uint8, shape (n,)
        Both are read-only views into `content`.

    Raises
    ------
    ContentError
        Where the length is no multiple of 3073 bytes.
    """
    if len(content) % RECORD:
        raise ContentError(f"CIFAR-10 records have {RECORD} bytes; got {len(content):,}")
    records = np.frombuffer(content, np.uint8).reshape(-1, RECORD)  # (n, 1 + 3072)
    return records[:, 1:], records[:, 0]


def write_records(pixels: np.ndarray, labels: np.ndarray) -> bytes:
    """Return pixels of shape (n, 3072), planes in order, and labels of shape (n,), 0 to 9, as CIFAR-10 records."""
    pixels, labels = np.asarray(pixels), np.asarray(labels)
    if pixels.dtype != np.uint8 or pixels.shape != (len(labels), RECORD - 1):
        raise ContentError(f"{len(labels)} records have uint8 pixels ({len(labels)}, {RECORD - 1}); got {pixels.shape}")
    if labels.dtype.kind not in "iu" or np.any((labels < 0) | (labels > 9)):
        raise ContentError("CIFAR-10 has labels 0 to 9")
    return np.column_stack([labels.astype(np.uint8), pixels]).tobytes()


def read_pickled_batch(content: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Return the pixels and the labels in a batch of CIFAR-10's Python version.

    Only for content whose digest has been checked: a pickle can run any code. It is read by an unpickler that builds
    nothing but arrays and plain containers all the same.

    Returns
    -------
    pixels : ndarray of uint8, shape (n, 3072)
    labels : ndarray of int64, shape (n,)

    Raises
    ------
    ContentError
        Where it is no such batch, or names anything else.
    """
    try:
        # Written by Python 2, whose byte strings NumPy takes back from latin-1.
        batch = _ArrayUnpickler(io.BytesIO(content), encoding="latin1").load()
        pixels, labels = np.asarray(batch["data"]), np.asarray(batch["labels"], dtype=np.int64)
    except Exception as error:  # bytes that are no pickle can raise nearly any
        raise ContentError(f"no pickled batch ({type(error).__name__}: {error})") from error
    if pixels.dtype != np.uint8 or pixels.shape != (labels.size, 3072) or labels.ndim != 1:
        raise ContentError(
            f"a pickled batch has uint8 pixels (n, 3072) and n labels; got {pixels.shape}, {labels.shape}"
        )
    return pixels, labels


def read_row_png(content: bytes, n: int) -> np.ndarray:
    """Return the pixels in a PNG that has one CIFAR-10 image a row.

    Parameters
    ----------
    content
        An RGB picture, 1,024 pixels wide: those of an image, row by row.
    n
        Its height: the number of images.

    Returns
    -------
    ndarray of uint8, shape (n, 3072)
        The red, green and blue plane of each image, each row by row.

    Raises
    ------
    ContentError
        Where it is no PNG, or a picture of another kind or size, which is not decoded then.
    """
    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as picture:
            if picture.size != (1024, n) or picture.mode != "RGB":
                raise ContentError(f"a PNG of {n} images is RGB, 1024 x {n}; got {picture.mode}, {picture.size}")
            pixels = np.asarray(picture)  # (n, 1024, 3)
    except ContentError:
        raise
    except Exception as error:  # Pillow's parsers raise whatever they meet
        raise ContentError(f"no PNG of {n} images ({type(error).__name__}: {error})") from error
    return pixels.transpose(0, 2, 1).reshape(n, 3072)  # planes side by side


def read_json_labels(content: bytes) -> np.ndarray:
    """Return the labels in a JSON list of integers, 0 to 9, as int64; anything else raises `ContentError`."""
    try:
        labels = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ContentError(f"the labels are no JSON ({type(error).__name__}: {error})") from error
    if not isinstance(labels, list) or not all(type(label) is int and 0 <= label <= 9 for label in labels):
        raise ContentError("the labels are a JSON list of integers, 0 to 9")
    return np.array(labels, dtype=np.int64)
