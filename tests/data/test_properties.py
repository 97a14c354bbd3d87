"""Properties of decoding, verifying, standardising and preparing, for any shapes, any contents and any damage."""

import dataclasses
import hashlib
import json
import statistics
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from reference_datasets import (
    BINARY_ARCHIVE,
    CIFAR,
    FASHION,
    idx_bytes,
    npy,
    python2_pickle,
    record_bytes,
    row_png,
    write_files,
)

from gradlab.data import DatasetError, load_cifar10, load_fashion_mnist
from gradlab.data import prepare as prepare_module
from gradlab.data.decode import (
    read_idx,
    read_json_labels,
    read_pickled_batch,
    read_records,
    read_row_png,
    write_records,
)
from gradlab.data.fetch import fetch
from gradlab.data.identity import ContentError, ContentFile, verify
from gradlab.data.prepare import prepare, standardise
from gradlab.data.sources import FetchSettings

# How long an example takes says more about the machine than about the code.
any_time = settings(deadline=None)
on_disk = settings(any_time, max_examples=50)

planes = npst.arrays(np.uint8, st.tuples(st.integers(0, 3), st.just(3), st.just(32), st.just(32)))


def labels_for(pixels: np.ndarray) -> st.SearchStrategy[list[int]]:
    return st.lists(st.integers(0, 9), min_size=len(pixels), max_size=len(pixels))


images_and_labels = planes.flatmap(lambda pixels: st.tuples(st.just(pixels), labels_for(pixels)))


@st.composite
def damage(draw: st.DrawFn, content: bytes) -> bytes:
    """Content that is cut, has a bit flipped, has bytes put in, or has a part overwritten; never the same as before."""
    position = draw(st.integers(0, len(content) - 1))
    match draw(st.sampled_from(["cut", "flip", "insert", "overwrite"])):
        case "cut":
            return content[:position]
        case "flip":
            flipped = bytearray(content)
            flipped[position] ^= 1 << draw(st.integers(0, 7))
            return bytes(flipped)
        case "insert":
            return content[:position] + draw(st.binary(min_size=1, max_size=8)) + content[position:]
        case _:
            new = draw(st.binary(min_size=1, max_size=8))
            damaged = content[:position] + new + content[position + len(new) :]
            return damaged if damaged != content else content + b"\0"


# --- round trips ---


@any_time
@given(npst.arrays(np.uint8, npst.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=5)))
def test_idx_round_trip(values):
    decoded = read_idx(idx_bytes(values))
    assert decoded.dtype == np.uint8
    np.testing.assert_array_equal(decoded, values, strict=True)
    assert not decoded.flags.writeable


@any_time
@given(images_and_labels)
def test_records_round_trip(made):
    pixels, labels = made
    content = record_bytes(pixels, labels)
    decoded, decoded_labels = read_records(content)
    np.testing.assert_array_equal(decoded.reshape(-1, 3, 32, 32), pixels, strict=True)
    assert decoded_labels.tolist() == labels
    assert write_records(decoded, decoded_labels) == content


@any_time
@given(images_and_labels)
def test_pickled_batch_round_trip(made):
    pixels, labels = made
    decoded, decoded_labels = read_pickled_batch(python2_pickle(pixels.reshape(-1, 3072), labels))
    np.testing.assert_array_equal(decoded.reshape(-1, 3, 32, 32), pixels, strict=True)
    assert decoded_labels.tolist() == labels
    assert write_records(decoded, decoded_labels) == record_bytes(pixels, labels)


@on_disk
@given(planes.filter(len))
def test_png_round_trip(pixels):
    decoded = read_row_png(row_png(pixels), len(pixels))
    np.testing.assert_array_equal(decoded.reshape(-1, 3, 32, 32), pixels, strict=True)


@any_time
@given(st.lists(st.integers(0, 9)))
def test_json_labels_round_trip(labels):
    decoded = read_json_labels(json.dumps(labels).encode())
    assert decoded.dtype == np.int64
    assert decoded.tolist() == labels


# --- bytes that are something else ---


def decode_or_refuse(decode, content: bytes) -> object:
    """Decode, or return None where the bytes are refused; another error than the documented one is not caught."""
    try:
        return decode(content)
    except ContentError:
        return None


@any_time
@given(st.binary(max_size=200))
def test_random_bytes_are_decoded_or_refused(content):
    for decode in (read_idx, read_records, read_pickled_batch, read_json_labels, lambda data: read_row_png(data, 1)):
        decode_or_refuse(decode, content)


@any_time
@given(
    st.integers(0, 255), st.lists(st.sampled_from([0, 1, 2, 255, 2**31, 2**32 - 1]), max_size=70), st.binary(max_size=9)
)
def test_any_idx_header_is_decoded_or_refused(dimensions, sides, values):
    """Up to more dimensions than NumPy has, and to products beyond every integer."""
    header = bytes([0, 0, 8, dimensions]) + b"".join(side.to_bytes(4, "big") for side in sides)
    decoded = decode_or_refuse(read_idx, header + values)
    if decoded is not None:
        assert idx_bytes(decoded) == header + values


@any_time
@given(
    npst.arrays(np.uint8, npst.array_shapes(max_dims=3, max_side=4)).flatmap(lambda values: damage(idx_bytes(values)))
)
def test_damaged_idx_is_refused_or_another_array(content):
    """A decoder cannot know that a pixel changed, which is what digests are for; but what it returns is what is there."""
    decoded = decode_or_refuse(read_idx, content)
    if decoded is not None:
        assert idx_bytes(decoded) == content


PNG = row_png(CIFAR.pixels[:2])
JSON = json.dumps(CIFAR.labels).encode()


@any_time
@given(damage(PNG))
def test_damaged_png_is_refused_or_has_its_shape(content):
    decoded = decode_or_refuse(lambda data: read_row_png(data, 2), content)
    assert decoded is None or (decoded.shape, decoded.dtype) == ((2, 3072), np.uint8)


@any_time
@given(damage(JSON))
def test_damaged_json_labels_are_refused_or_labels(content):
    decoded = decode_or_refuse(read_json_labels, content)
    assert decoded is None or set(decoded.tolist()) <= set(range(10))


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> dict[str, Path]:
    """The folders of both made data sets, which every example leaves whole."""
    return {made.spec.name: write_files(tmp_path_factory.mktemp("content"), made.content) for made in (FASHION, CIFAR)}


@pytest.mark.parametrize("made", [FASHION, CIFAR], ids=lambda made: made.spec.name)
@on_disk
@given(data=st.data())
def test_any_damage_to_any_file_is_found(made, whole, data):
    folder = whole[made.spec.name]
    name = data.draw(st.sampled_from(sorted(made.content)))
    (folder / name).write_bytes(data.draw(damage(made.content[name])))
    try:
        with pytest.raises(ContentError, match=name):
            verify(made.spec, folder)
    finally:
        (folder / name).write_bytes(made.content[name])
    verify(made.spec, folder)


@pytest.mark.parametrize(
    ("made", "files"),
    [
        (FASHION, FASHION.published),
        (CIFAR, CIFAR.batches),
        (CIFAR, {"cifar-10-python.tar.gz": CIFAR.python_archive}),
        (CIFAR, {"cifar-10-binary.tar.gz": BINARY_ARCHIVE}),
    ],
    ids=["gzip", "pickles", "archive of pickles", "archive of records"],
)
@on_disk
@given(data=st.data())
def test_any_damage_to_a_source_is_refused_or_harmless(made, files, data):
    """Where a damaged source is taken all the same, as with a time in a gzip's header, the files have every byte."""
    name = data.draw(st.sampled_from(sorted(files)))
    damaged = {**files, name: data.draw(damage(files[name]))}
    with tempfile.TemporaryDirectory() as folder:
        local = write_files(Path(folder) / "local", damaged)
        cache = Path(folder) / "cache"
        try:
            found = fetch(made.spec, FetchSettings(sources=["local"], local=local, cache=cache))
        except DatasetError as error:
            assert "  - local: " in str(error)
            assert not [path for path in cache.rglob("*") if path.is_file()]
        else:
            assert {path.name: path.read_bytes() for path in found.iterdir()} == made.content


# --- standardising ---

pixel_rows = npst.arrays(np.uint8, st.tuples(st.integers(1, 6), st.integers(2, 40))).filter(
    lambda pixels: (pixels != pixels[:, :1]).any(axis=1).all()
)


@any_time
@given(pixel_rows)
def test_standardise_is_the_plain_computation(pixels):
    plain = []
    for image in pixels.tolist():
        mean, deviation = statistics.fmean(image), statistics.pstdev(image)
        plain.append([(value - mean) / deviation for value in image])
    np.testing.assert_allclose(standardise(pixels), plain, rtol=1e-13, atol=1e-13)


@any_time
@given(pixel_rows, st.data())
def test_standardise_takes_each_image_alone_and_each_pixel_wherever_it_is(pixels, data):
    """In any parts of any order of rows and columns, to the last bit."""
    images = standardise(pixels)
    cuts = sorted(data.draw(st.sets(st.integers(1, len(pixels)), max_size=3)) - {len(pixels)})
    assert np.concatenate([standardise(part) for part in np.split(pixels, cuts)]).tobytes() == images.tobytes()
    rows = data.draw(st.permutations(range(len(pixels))))
    columns = data.draw(st.permutations(range(pixels.shape[1])))
    np.testing.assert_array_equal(standardise(pixels[rows][:, columns]), images[rows][:, columns])


# --- preparing ---


@st.composite
def made_batches(draw: st.DrawFn) -> tuple[np.ndarray, list[int]]:
    """Pixels and labels of six batches of n images, no image of one value."""
    n = draw(st.integers(1, 3))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    pixels = rng.integers(0, 256, (6 * n, 3, 32, 32), dtype=np.uint8)
    return pixels, draw(st.lists(st.integers(0, 9), min_size=6 * n, max_size=6 * n))


@settings(on_disk, max_examples=15)
@given(made_batches(), st.integers(1, 7))
def test_prepared_cifar10_is_the_plain_file_in_any_chunks(made, chunk):
    """The arrays have the bytes that `np.save` writes of all images at once, however few are standardised at a time."""
    pixels, labels = made
    n = len(labels) // 6
    contents = [record_bytes(pixels[i * n : (i + 1) * n], labels[i * n : (i + 1) * n]) for i in range(6)]
    files = tuple(
        ContentFile(file.name, len(content), f"md5:{hashlib.md5(content).hexdigest()}")
        for file, content in zip(CIFAR.spec.files, contents, strict=True)
    )
    spec = dataclasses.replace(CIFAR.spec, files=files)
    images = standardise(pixels.reshape(-1, 3072))
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(prepare_module, "CHUNK", chunk)
        content = write_files(Path(folder) / "content", dict(zip([f.name for f in files], contents, strict=True)))
        prepare(spec, content, Path(folder) / "arrays")
        for split, part in (("train", slice(0, 5 * n)), ("test", slice(5 * n, None))):
            expected = {
                f"{split}_images": images[part],
                f"{split}_images_float32": images[part].astype(np.float32),
                f"{split}_labels": np.array(labels[part], np.int64),
            }
            for name, values in expected.items():
                assert (Path(folder) / "arrays" / f"{name}.npy").read_bytes() == npy(values)


@settings(on_disk, max_examples=15)
@given(st.integers(0, 2**32 - 1), st.tuples(st.integers(1, 5), st.integers(1, 5)))
def test_prepared_fashion_mnist_is_the_plain_file(seed, sizes):
    rng = np.random.default_rng(seed)
    arrays = [rng.integers(0, 10, (n, *more), dtype=np.uint8) for n in sizes for more in ((28, 28), ())]
    names = [file.name for file in FASHION.spec.files]
    with tempfile.TemporaryDirectory() as folder:
        content = write_files(
            Path(folder) / "content", {name: idx_bytes(values) for name, values in zip(names, arrays, strict=True)}
        )
        prepare(FASHION.spec, content, Path(folder) / "arrays")
        for name, values in zip(("train_images", "train_labels", "test_images", "test_labels"), arrays, strict=True):
            expected = values if values.ndim == 3 else values.astype(np.int64)
            assert (Path(folder) / "arrays" / f"{name}.npy").read_bytes() == npy(expected)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory) -> dict[str, Path]:
    """The folders of the arrays of both made data sets, which every example leaves whole."""
    folders = {}
    for made in (FASHION, CIFAR):
        folders[made.spec.name] = tmp_path_factory.mktemp("prepared")
        prepare(made.spec, write_files(tmp_path_factory.mktemp("content"), made.content), folders[made.spec.name])
    return folders


@pytest.mark.parametrize(
    ("made", "load"), [(FASHION, load_fashion_mnist), (CIFAR, load_cifar10)], ids=["fashion_mnist", "cifar10"]
)
@pytest.mark.parametrize("file", ["dataset.json", "test_labels.npy"])
@on_disk
@given(data=st.data())
def test_damage_to_what_describes_an_array_is_refused_or_harmless(made, load, file, prepared, data):
    """Opening raises the documented error, or gives the same values (a digest or a blank is not read then)."""
    path = prepared[made.spec.name] / file
    content = path.read_bytes()
    head = content if file.endswith("json") else content[:128]
    expected = {name: np.array(values) for name, values in vars(load(path.parent)).items()}
    path.write_bytes(data.draw(damage(head)) + content[len(head) :])
    try:
        found = load(path.parent)
    except DatasetError as error:
        assert "\n\n" not in str(error)
    else:
        for name, values in vars(found).items():
            np.testing.assert_array_equal(values, expected[name], strict=True)
    finally:
        path.unlink()  # the damaged one may still be mapped
        path.write_bytes(content)
