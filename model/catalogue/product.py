"""A product, as the catalogue and purchases name it."""

from typing import NamedTuple


class Product(NamedTuple):
    """A product is the pair (brand, product_id); the rest is what the catalogue says of it."""

    brand: str
    product_id: str
    price: float | None = None
    title: str | None = None
    category: str | None = None
    withdrawn: bool = False

    @property
    def key(self) -> str:
        """The product's name in vocabularies and snapshots: its id, behind its brand where it has one."""
        return product_key(self.brand, self.product_id)


def product_key(brand: str, product_id: str) -> str:
    """Join brand and id by a control character, which neither can contain."""
    return f"{brand}\x1f{product_id}" if brand else product_id
