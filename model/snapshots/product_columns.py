"""The products of a model as columns, one entry a row: names, numbers, how often bought, last price.

A file of arrays and not JSON: a million names as Python strings would cost 100 MB and hold up the worker's loop while
they are read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model.catalogue.product import Product


@dataclass(frozen=True, slots=True)
class Products:
    """Row i of every array belongs to row i of the index; `brands` and `brand_ends` list the distinct brands."""

    ids: NDArray[np.uint8]  # all product ids in UTF-8, one behind the other
    id_ends: NDArray[np.int64]  # (n,) where each id ends in `ids`
    brands: NDArray[np.uint8]  # as `ids`
    brand_ends: NDArray[np.int64]
    brand_of_row: NDArray[np.int32]  # (n,) the place of its brand
    numbers: NDArray[np.uint32]  # (n,) in the database that `Metadata.database_id` names
    counts: NDArray[np.uint32]  # (n,) order lines ever
    prices: NDArray[np.float64]  # (n,) NaN = not known

    def __len__(self) -> int:
        """Rows."""
        return len(self.numbers)

    def names(self, rows: slice) -> list[tuple[str, str]]:
        """(brand, product id) of consecutive rows."""
        brands = self.brand_names()
        brand_ids = [brands[place] for place in self.brand_of_row[rows].tolist()]
        return list(zip(brand_ids, _texts(self.ids, self.id_ends, rows), strict=True))

    def brand_names(self) -> list[str]:
        """The distinct brands, "" among them where products have none."""
        return _texts(self.brands, self.brand_ends, slice(None))

    def rows_of_brands(self) -> dict[str, NDArray[np.int32]]:
        """The rows of each brand, ascending."""
        order = np.argsort(self.brand_of_row, kind="stable").astype(np.int32)
        sizes = np.bincount(self.brand_of_row, minlength=len(self.brand_ends))
        return dict(zip(self.brand_names(), np.split(order, np.cumsum(sizes)[:-1]), strict=True))

    def is_sound(self, rows: int) -> bool:
        """Whether these can be the products of a model of so many rows."""
        columns = (self.id_ends, self.brand_of_row, self.numbers, self.counts, self.prices)
        return (
            all(column.shape == (rows,) for column in columns)
            and _ends_fit(self.ids, self.id_ends)
            and _ends_fit(self.brands, self.brand_ends)
            and bool(((self.brand_of_row >= 0) & (self.brand_of_row < len(self.brand_ends))).all())
            and bool((self.numbers > 0).all())
        )

    def write(self, path: Path) -> None:
        """Write one file that `read` takes."""
        np.savez(path, **{name: getattr(self, name) for name in self.__slots__})

    @classmethod
    def read(cls, path: Path) -> "Products":
        """Read what `write` wrote. Raises ValueError, KeyError, BadZipFile or OSError when it is something else."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(**{name: arrays[name] for name in cls.__slots__})


def columns_of(products: Sequence[Product], numbers: NDArray[np.integer], counts: NDArray[np.uint32]) -> Products:
    """The columns of the products with these numbers, in their order; both arguments are indexed by number."""
    chosen = [products[number] for number in numbers.tolist()]
    brands = {brand: place for place, brand in enumerate(dict.fromkeys(product.brand for product in chosen))}
    ids, id_ends = _joined([product.product_id for product in chosen])
    brand_names, brand_ends = _joined(list(brands))
    return Products(
        ids=ids,
        id_ends=id_ends,
        brands=brand_names,
        brand_ends=brand_ends,
        brand_of_row=np.array([brands[product.brand] for product in chosen], np.int32),
        numbers=numbers.astype(np.uint32),
        counts=counts[numbers].astype(np.uint32),
        prices=np.array([np.nan if product.price is None else product.price for product in chosen], np.float64),
    )


def _joined(texts: Sequence[str]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    encoded = [text.encode() for text in texts]
    return np.frombuffer(b"".join(encoded), np.uint8), np.cumsum([len(text) for text in encoded], dtype=np.int64)


def _texts(joined: NDArray[np.uint8], ends: NDArray[np.int64], part: slice) -> list[str]:
    start, stop, _ = part.indices(len(ends))
    bounds = np.concatenate((ends[start - 1 : start] if start else [0], ends[start:stop])).astype(np.int64)
    text = joined[bounds[0] : bounds[-1]].tobytes()
    places = (bounds - bounds[0]).tolist()
    return [text[begin:end].decode() for begin, end in pairwise(places)]


def _ends_fit(joined: NDArray[np.uint8], ends: NDArray[np.int64]) -> bool:
    return len(ends) > 0 and int(ends[0]) >= 0 and bool((np.diff(ends) >= 0).all()) and int(ends[-1]) == len(joined)
