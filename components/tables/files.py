"""The content of a file, plain or gzip, as far as memory allows; other formats are refused with what converts them.

In the name of a file ``{dataset}``, ``{network}``, ``{cell}`` stand for those of each data set.
"""

from __future__ import annotations

import gzip
import unicodedata
import zlib
from collections.abc import Mapping, Sequence
from io import BufferedIOBase
from pathlib import Path

import psutil

from components.core.errors import KnockoutError, suggestion

BLOCK = 1 << 20
GZIP = b"\x1f\x8b"
PYTHON = "convert it in Python: "
R = "write it in R, e.g. write.csv(as.matrix(counts), 'counts.csv')"
SHEET = "save the sheet as CSV UTF-8, and look for gene names that became dates (SEPT7, MARCH1)"

# suffix to the cure; {name} is the file, {stem} its name without suffix, {folder} where it lies
CURES = {
    ".loom": PYTHON + "anndata.io.read_loom({name!r}).write_h5ad('{stem}.h5ad')",
    ".zarr": PYTHON + "anndata.read_zarr({name!r}).write_h5ad('{stem}.h5ad')",
    ".h5": PYTHON + "scanpy.read_10x_h5({name!r}).write_h5ad('{stem}.h5ad')",
    ".mtx": PYTHON + "scanpy.read_10x_mtx({folder!r}).write_h5ad('{stem}.h5ad')",
    ".parquet": PYTHON + "pandas.read_parquet({name!r}).to_csv('{stem}.csv')",
    ".feather": PYTHON + "pandas.read_feather({name!r}).to_csv('{stem}.csv')",
    ".pkl": "write it as .h5ad or CSV where it was made",
    **dict.fromkeys((".rds", ".rda", ".rdata", ".robj"), R),
    **dict.fromkeys((".xls", ".xlsx", ".ods"), SHEET),
    **dict.fromkeys((".tar", ".tgz"), "unpack it: tar -xf {name}"),
    ".zip": "unpack it: unzip {name}",
    ".bz2": "unpack it: bunzip2 -k {name}",
    ".xz": "unpack it: unxz -k {name}",
    ".zst": "unpack it: unzstd {name}",
    ".h5ad": "unpack it: gunzip -k {name}",  # if it is compressed; other HDF5 files are told by their content
    "hdf5": "a table of text is expected here; give expression in HDF5 as .h5ad",
}
KINDS = {
    "hdf5": "an HDF5 file",
    ".h5ad": "a compressed .h5ad file",
    ".zarr": "a zarr folder",
    ".mtx": "a 10x or Matrix Market folder",
    ".h5": "a 10x HDF5 file",
}
MAGIC = {
    b"PK\x03\x04": ".zip",
    b"BZh": ".bz2",
    b"\xfd7zXZ": ".xz",
    b"\x28\xb5\x2f\xfd": ".zst",
    b"PAR1": ".parquet",
    b"%%MatrixMarket": ".mtx",
    b"RDX": ".rds",
    b"X\n\x00": ".rds",
    b"\x89HDF\r\n\x1a\n": "hdf5",
}
PER_DATASET = ("dataset", "network", "cell")


def content_of(path: Path) -> bytes:
    """Return the bytes of a text file, expanded if it is compressed by gzip.

    Raises
    ------
    KnockoutError
        For a file that is absent, unreadable, damaged, of another format, or larger than memory allows.
    """
    refuse_foreign(path)
    try:
        with path.open("rb") as file:
            if not file.peek(len(GZIP)).startswith(GZIP):
                return _within_memory(file, path)
            with gzip.GzipFile(fileobj=file) as expanded:
                return _within_memory(expanded, path)
    except FileNotFoundError:
        raise KnockoutError("no such file." + sibling_suggestion(path), where=str(path)) from None
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise KnockoutError(f"not readable as gzip: {error}.", where=str(path)) from None
    except OSError as error:
        raise KnockoutError(f"cannot be read: {error.strerror or error}.", where=str(path)) from None


def _within_memory(file: BufferedIOBase, path: Path) -> bytes:
    limit, content = psutil.virtual_memory().available // 6, bytearray()  # as text it takes several times as much
    while block := file.read(BLOCK):
        content += block
        if len(content) > limit:
            message = f"holds, or expands to, more than {as_size(limit)}, a sixth of the free memory"
            raise KnockoutError(f"{message}; give a smaller file, or a sparse .h5ad.", where=str(path))
    return bytes(content)


def as_size(size: float) -> str:
    """Return a number of bytes as MB or GB."""
    return f"{size / 2**30:,.1f} GB" if size >= 2**30 else f"{size / 2**20:,.1f} MB"


def refuse_foreign(path: Path) -> None:
    """Refuse a file or folder whose format is known but not read, with the line that converts it.

    Raises
    ------
    KnockoutError
        If its name or its first bytes say so.
    """
    name = path.name.lower()
    plain = name.removesuffix(".gz")
    suffix = next((s for s in CURES if plain.endswith(s)), "")
    if path.is_dir():
        markers = {".zarr": (".zgroup", "zarr.json"), ".mtx": ("matrix.mtx", "matrix.mtx.gz")}
        suffix = next((s for s, files in markers.items() if any((path / file).is_file() for file in files)), "")
    elif path.is_file():
        suffix = "hdf5" if plain == name and suffix == ".h5ad" else suffix
        suffix = suffix or next((s for magic, s in MAGIC.items() if _head(path).startswith(magic)), "")
    if not suffix or not path.exists():
        return
    folder = path if path.is_dir() else path.parent
    cure = CURES[suffix].format(name=str(path), stem=path.name.split(".")[0], folder=str(folder))
    what = KINDS.get(suffix, f"a {suffix} file")
    raise KnockoutError(f"{what} cannot be read here; {cure}.", where=str(path))


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(16)
    except OSError:
        return b""


def on_disk(path: Path) -> Path:
    """Return the path as its folders write it, if only the Unicode form of a name differs, and else as it is."""
    if path.exists() or path == path.parent:
        return path
    parent = on_disk(path.parent)
    name = unicodedata.normalize("NFC", path.name)
    names = list(parent.iterdir()) if parent.is_dir() and not name.isascii() else []
    return next((entry for entry in names if unicodedata.normalize("NFC", entry.name) == name), parent / path.name)


def sibling_suggestion(path: Path) -> str:
    """Return " Did you mean 'x'?" for the file in the same folder whose name is nearest, or nothing."""
    return suggestion(path.name, sorted(p.name for p in path.parent.iterdir())) if path.parent.is_dir() else ""


def is_pattern(pattern: str) -> bool:
    """Return whether a file's name has a part in braces."""
    return "{" in pattern


def files_of(pattern: str, names: Sequence[str] = PER_DATASET) -> list[Path]:
    """Return the files that a pattern stands for, whatever the data sets are; their names may hold slashes."""
    if not pattern or not fits(pattern, names):
        return []
    stars = pattern.format_map(dict.fromkeys(names, "*") | {"dataset": "**/*"})
    root = Path(stars).anchor
    return sorted(path for path in Path(root).glob(str(Path(stars).relative_to(root))) if path.is_file())


def file_for(pattern: str, values: Mapping[str, object], what: str) -> Path:
    """Return the file of a data set, whose names are ``values``.

    Raises
    ------
    KnockoutError
        If the pattern has an unknown name in braces, or the file is not there, saying ``what`` it would be.
    """
    if not fits(pattern, [*values]):
        raise KnockoutError(f"{pattern}: in braces may stand {', '.join(values)}.")
    path = Path(pattern.format_map(values))
    if not path.is_file():
        raise KnockoutError(f"{values['dataset']} has no {what} {path}.{sibling_suggestion(path)}")
    return path


def fits(pattern: str, names: Sequence[str]) -> bool:
    """Return whether nothing but ``names`` stands in braces."""
    try:
        pattern.format_map(dict.fromkeys(names, ""))
    except (KeyError, ValueError, IndexError, AttributeError):
        return False
    return True
