"""What is asked for, checked, whichever way it came."""

from typing import Literal, get_args

import msgspec

Kind = Literal["recs", "popular", "similar", "all"]


KINDS: tuple[str, ...] = get_args(Kind)


class Request(msgspec.Struct, frozen=True, gc=False):
    """What is asked for, checked."""

    profile_id: str
    brand_id: str | None = None  # None = every brand
    kind: Kind = "recs"
    k: int = 10
    product_ids: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    only: tuple[str, ...] | None = None  # None = all
    exclude_purchased: bool = True

    @property
    def names_products(self) -> bool:
        """Whether the answer depends on products that the request names."""
        return bool(self.product_ids or self.exclude) or self.only is not None
