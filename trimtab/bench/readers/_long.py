"""Long-form tables, a row for each thing that was measured, and how they become arrays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trimtab._extras import need
from trimtab.bench.readers._files import FloatArray, WrongFile
from trimtab.errors import did_you_mean

SPARSE = 20  # cells a row: an array that much bigger than its file means that a role is wrong


def read_frame(file: Path, columns: Sequence[str] = ()) -> Any:
    """A CSV or Parquet file as a DataFrame. Only an empty cell is missing: "None" and "NA" are values."""
    pandas = need("pandas", extra="bench", to=f"read {file.name}")
    try:
        if file.suffix == ".parquet":
            need("pyarrow", extra="bench", to=f"read {file.name}")
            frame = pandas.read_parquet(file)
            if frame.index.names != [None]:
                frame = frame.reset_index()
        else:
            exact = {} if _version(pandas) >= (3, 1) else {"float_precision": "round_trip"}  # else one ulp off at times
            frame = pandas.read_csv(file, keep_default_na=False, na_values=[""], **exact)
    except (OSError, ValueError) as error:  # parse errors of pandas and pyarrow are ValueErrors
        raise WrongFile(file, f"broken off or no {file.suffix[1:]} ({error})", "a table with a header") from None
    frame.columns = [str(name) for name in frame.columns]
    check_columns(file, frame, columns)
    if not len(frame):
        raise WrongFile(file, "a header and no rows", "rows")
    return frame


def check_columns(file: Path, frame: Any, columns: Sequence[str]) -> None:
    """Every one of these columns is there."""
    for name in columns:
        if name not in frame.columns:
            raise WrongFile(file, f"no column {name!r}", f"it. {did_you_mean(name, list(frame.columns))}")


def _version(package: Any) -> tuple[int, ...]:
    return tuple(int(part) for part in package.__version__.split(".")[:2])


def numbers(file: Path, frame: Any, name: str) -> FloatArray:
    """A column as floats; text in it is an error that names the cell."""
    pandas = need("pandas", extra="bench", to=f"read {file.name}")
    column = frame[name]
    found = pandas.to_numeric(column, errors="coerce")
    bad = np.flatnonzero(found.isna() & column.notna())
    for row in bad:
        if str(column.iloc[row]).strip().lower() != "nan":
            raise WrongFile(file, f"{column.iloc[row]!r} in column {name!r}, data row {row + 1}", "a number")
    values: FloatArray = found.to_numpy(dtype=float, na_value=np.nan)
    return values


def plain(column: Any) -> Any:
    """A column of parameters, with whole numbers that empty cells have turned into floats turned back."""
    if column.dtype.kind == "f" and column.isna().any() and (column.dropna() % 1 == 0).all():
        return column.astype("Int64")
    return column


def dense(
    file: Path, frame: Any, keys: Sequence[str], axes: Sequence[str], values: Sequence[str]
) -> tuple[dict[str, list[Any]], list[list[Any]], dict[str, FloatArray]]:
    """Long form as arrays (n, *axes): what each of the n rows holds of the keys (None for an empty cell), the labels
    along each axis in their order, and an array for each of the values, NaN where nothing was written."""
    pandas = need("pandas", extra="bench", to=f"read {file.name}")
    place = np.zeros(len(frame), np.int64)
    for name in keys:
        codes, uniques = pandas.factorize(plain(frame[name]))
        place = pandas.factorize(place * (len(uniques) + 1) + codes + 1)[0]
    n = int(place.max()) + 1
    labels, shape = [], [n]
    for name in axes:
        if frame[name].isna().any():
            raise WrongFile(file, f"an empty cell in column {name!r}", "a value in every row")
        codes, uniques = pandas.factorize(frame[name], sort=True)
        labels.append(uniques.tolist())
        place = place * len(uniques) + codes
        shape.append(len(uniques))
    cells = int(np.prod(shape, dtype=object))
    if cells > SPARSE * len(frame) + 10**6:
        words = " x ".join(f"{size:,} {name}" for size, name in zip(shape, ("configurations", *axes), strict=True))
        raise WrongFile(file, f"{words}, but {len(frame):,} rows", "columns whose roles fit together")
    twice = np.flatnonzero(pandas.Series(place).duplicated())
    if len(twice):
        first = int(np.flatnonzero(place == place[twice[0]])[0])
        raise WrongFile(
            file,
            f"data rows {first + 1} and {int(twice[0]) + 1} are the same configuration{' and '.join(['', *axes])}",
            "one row for each. A column that tells repetitions apart is named as seed",
        )
    arrays = {}
    for name in values:
        arrays[name] = np.full(cells, np.nan)
        arrays[name][place] = numbers(file, frame, name)
        arrays[name] = arrays[name].reshape(shape)
    inner = cells // n
    first_rows = np.full(n, len(frame), np.int64)
    np.minimum.at(first_rows, place // inner, np.arange(len(frame)))
    held = {name: _values(plain(frame[name]).iloc[first_rows]) for name in keys}
    return held, labels, arrays


def _values(column: Any) -> list[Any]:
    missing = column.isna().to_numpy()
    return [None if gone else value for gone, value in zip(missing, column.tolist(), strict=True)]
