"""Which events are purchases, told by their type as any system may spell it: com.shop.order.placed, OrderPlacedEvent.

In: the types of the setting `purchase_types`. Out: whether a type is one of them. A type is read as its words, so that
case, dots, underscores and a version at its end make no difference; the last words are enough, unless one before them
takes the order back ("cancelled.purchase").
"""

import re
from dataclasses import dataclass, field

PURCHASE = "purchase"  # what our own envelope says; always one
DEFAULT_TYPES = ("purchased", "purchase.completed", "order.placed", "order.paid", "order.completed")
EVERY = "*"
OTHER = "other"
_LONGEST = 200
_MOST_NOTED = 20
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_BETWEEN = re.compile(r"[\W_]+")
_AT_THE_END = re.compile(r"events?|messages?|v?[0-9]+")  # of a type, and no word of it: OrderPlacedEvent, .v2
_SHOWN = re.compile(r"[A-Za-z][A-Za-z0-9._:/ -]{0,79}", re.ASCII)
_MAY_BE_A_NUMBER = re.compile(r"(?:[0-9][ ./-]*){5}")
_PLURALS = {"orders": "order", "purchases": "purchase"}
_TAKEN_BACK = re.compile(
    r"cancel\w*|refund\w*|return(?:s|ed)?|void(?:ed)?|fail(?:ed|ure)?|reject\w*|declin\w*|abandon\w*|revers(?:al|ed)|"
    r"chargeback|deleted|removed|expired"
)


@dataclass(frozen=True, slots=True)
class PurchaseTypes:
    """The types that are purchases, as the setting names them; `*` is every type."""

    names: tuple[str, ...] = DEFAULT_TYPES
    taken: set[str] = field(default_factory=set, compare=False)  # the types that were met, for whoever warns
    _words: tuple[tuple[str, ...], ...] = field(init=False)

    def __post_init__(self) -> None:
        """Read the names as words once."""
        object.__setattr__(self, "_words", tuple(words_of(name) for name in (PURCHASE, *self.names)))

    def takes(self, event_type: str) -> bool:
        """Whether an event of this type is a purchase."""
        if event_type == PURCHASE:
            return True
        if len(event_type) > _LONGEST:
            return False
        words = words_of(event_type)
        found = EVERY in self.names or any(_ends_in(words, wanted) for wanted in self._words)
        if found and len(self.taken) < _MOST_NOTED:
            self.taken.add(shown_type(event_type))
        return found


def words_of(event_type: str) -> tuple[str, ...]:
    """The words of a type in lower case, without a version or the word "event" at its end."""
    words = [_PLURALS.get(word, word) for word in _BETWEEN.split(_CAMEL.sub(" ", event_type).lower()) if word]
    while words and _AT_THE_END.fullmatch(words[-1]):
        words.pop()
    return tuple(words)


def is_taken_back(word: object) -> bool:
    """Whether a word or a type says that an order was cancelled, refunded, returned or failed."""
    if not isinstance(word, str) or len(word) > _LONGEST:
        return False
    return any(_TAKEN_BACK.fullmatch(each) for each in words_of(word))


def shown_type(event_type: str) -> str:
    """The type where it may be shown, as a label and in a log; "other" for what may be anything, such as a phone."""
    may_be_shown = _SHOWN.fullmatch(event_type) and not _MAY_BE_A_NUMBER.search(event_type)
    return event_type if may_be_shown else OTHER


def _ends_in(words: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    before = len(words) - len(wanted)
    if not wanted or before < 0 or words[before:] != wanted:
        return False
    return not any(_TAKEN_BACK.fullmatch(word) for word in words[:before])
