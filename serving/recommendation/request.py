"""What is asked for, checked, whichever way it came."""

from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal["recs", "popular", "similar", "all"]


KINDS: tuple[str, ...] = get_args(Kind)


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for, checked."""

    profile_id: str
    brand_id: str | None = None  # None = every brand
    kind: Kind = "recs"
    k: int = 10
    product_ids: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    only: tuple[str, ...] | None = None  # None = all
    exclude_purchased: bool = True
