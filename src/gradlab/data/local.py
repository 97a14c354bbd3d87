"""The source `local`: a file or a folder that the configuration names, in any of the usual layouts."""

from pathlib import Path

from gradlab.data.archives import Files, read_batch, read_bounded, read_cifar10_archive, read_gzip
from gradlab.data.failures import SourceError
from gradlab.data.identity import CIFAR10Spec, FashionMNISTSpec, Spec


def read_local(spec: Spec, path: Path) -> Files:
    """Yield the files of a data set, not yet verified, from the path that the configuration names."""
    if not path.exists():
        raise SourceError(f"{path} does not exist")
    if isinstance(spec, FashionMNISTSpec):
        yield from _read_fashion_mnist(spec, path)
    else:
        yield from _read_cifar10(spec, path)


def _read_fashion_mnist(spec: FashionMNISTSpec, path: Path) -> Files:
    first = spec.files[0].name
    for folder in (path, path / "raw", path / "FashionMNIST" / "raw"):
        if (folder / first).exists() or (folder / f"{first}.gz").exists():
            break
    else:
        raise SourceError(f"neither {first} nor {first}.gz is in {path}")
    for file in spec.files:
        if (folder / file.name).exists():
            yield file, read_bounded(folder / file.name, file.size)
        else:
            yield file, read_gzip(folder / f"{file.name}.gz", file.size)


def _read_cifar10(spec: CIFAR10Spec, path: Path) -> Files:
    if path.is_file():
        yield from read_cifar10_archive(spec, path)
        return
    first = spec.files[0].name
    for folder in (path, path / "cifar-10-batches-bin", path / "cifar-10-batches-py"):
        if (folder / first).exists():
            for file in spec.files:
                yield file, read_bounded(folder / file.name, file.size)
            return
        if (folder / Path(first).stem).exists():
            for file, md5 in zip(spec.files, spec.batch_md5, strict=True):
                # Pickled labels take more room than a byte each; twice is more than any batch has.
                yield file, read_batch(read_bounded(folder / Path(file.name).stem, 2 * file.size), file, md5)
            return
    for archive in ("cifar-10-python.tar.gz", "cifar-10-binary.tar.gz"):
        if (path / archive).exists():
            yield from read_cifar10_archive(spec, path / archive)
            return
    raise SourceError(
        f"none of {first}, {Path(first).stem}, cifar-10-python.tar.gz and cifar-10-binary.tar.gz is in {path}"
    )
