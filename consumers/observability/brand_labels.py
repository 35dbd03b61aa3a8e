"""Brands as values of metric labels: the first ones by their names, all further ones together, so series stay few."""

EVERY_BRAND = "*"  # what is said of all brands together
NO_BRAND = "none"
OTHER = "other"


class BrandLabels:
    """The label of each brand. The first `limit` brands that are asked for get their own, for as long as it runs."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._own: set[str] = set()

    def __call__(self, brand: str) -> str:
        """The label; "" is no brand. A brand whose name is one of the words used here counts among the others."""
        if not brand:
            return NO_BRAND
        if brand in self._own:
            return brand
        if len(self._own) >= self._limit or brand in (EVERY_BRAND, NO_BRAND, OTHER):
            return OTHER
        self._own.add(brand)
        return brand
