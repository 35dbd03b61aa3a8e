"""The part of an evaluation's page for reading: what the measures mean, and customers one by one with the hits marked.

In: example customers of `model.evaluation.comparison`. Out: HTML. Everything that comes from purchases is escaped.
"""

from collections.abc import Callable, Sequence
from html import escape

from model.evaluation.comparison import OURS
from model.evaluation.example_customers import Example

_MEASURES = (
    (
        "HR",
        "hit rate: the part of the customers who then bought at least one of the {k} products shown. 0.60 = 60 of 100.",
    ),
    ("recall", "of what a customer then bought, the part that was among the {k} shown; the mean over customers."),
    (
        "NDCG",
        (
            "how high in the list the hits stand: 1 = all that was bought is at the top, 0 = nothing of it is shown. "
            "This decides here, for a product at the top is seen more than one at the end."
        ),
    ),
    ("MRR", "1 / the place of the first hit, 0 without one: 0.5 = the second product is bought in the mean."),
    ("coverage", "the part of all products that anybody was shown. A list of best sellers has nearly 0."),
    (
        "popularity",
        "how well sold the products shown are: 1 = best sellers only, 0.5 = as if drawn at random from the catalogue.",
    ),
    (
        "ours - its NDCG",
        (
            "the difference for the same customers, with its 95 % interval. Where 0 is inside, it may be chance. "
            "In our own row: the interval of our NDCG."
        ),
    ),
    ("seconds", "to learn the model once on this machine."),
)
_MOST_SHOWN = 12  # products of a history
_MOST_MODELS = 4
_DRAWN = (
    "<p>Drawn at random from those tested in the newest window; none was chosen for the hits. <mark>Marked</mark> is "
    "what the customer then bought.</p>"
)


def explained(k: int) -> str:
    """What each column means, as a definition list."""
    told = "".join(f"<dt>{escape(name)}</dt><dd>{escape(meaning.format(k=k))}</dd>" for name, meaning in _MEASURES)
    return (
        "<h2>What is measured</h2><p>Every model learnt from what was bought before the window, and showed each "
        f"customer {k} products. Then it was looked up what the customer really bought in the window. Nobody saw these "
        f"lists, so a product that a list would have sold counts as a miss.</p><dl>{told}</dl>"
    )


def examples_of(examples: Sequence[Example], name: Callable[[int], str]) -> str:
    """Each customer with what was bought before and then, and what models would have shown; hits are marked."""
    if not examples:
        return ""
    parts = ["<h2>Customers, one by one</h2>", _DRAWN]
    for at, example in enumerate(examples, 1):
        parts.append(
            f"<section class=customer><h3>Customer {at}</h3>{_bought(example, name)}{_shown(example, name)}</section>"
        )
    return "\n".join(parts)


def _bought(example: Example, name: Callable[[int], str]) -> str:
    before, then = _listed(example.before, name), _listed(example.then, name)
    return f"<p><b>Had bought</b> (newest first): {before}</p><p><b>Bought in the window</b>: {then}</p>"


def _listed(numbers: Sequence[int], name: Callable[[int], str]) -> str:
    more = len(numbers) - _MOST_SHOWN
    listed = ", ".join(escape(name(number)) for number in numbers[:_MOST_SHOWN])
    return f"{listed} and {more} more" if more > 0 else listed


def _shown(example: Example, name: Callable[[int], str]) -> str:
    models, then = _models(list(example.shown)), set(example.then)
    head = "".join(f"<th>{escape(model)}</th>" for model in models)
    hits = "".join(f"<td>{len(then & set(example.shown[model]))} bought</td>" for model in models)
    rows = []
    for place in range(max(len(example.shown[model]) for model in models)):
        cells = "".join(f"<td>{_cell(example.shown[model], place, then, name)}</td>" for model in models)
        rows.append(f"<tr><td>{place + 1}</td>{cells}</tr>")
    return f"<table class=lists><tr><th></th>{head}</tr>{''.join(rows)}<tr class=ours><td></td>{hits}</tr></table>"


def _cell(shown: Sequence[int], place: int, then: set[int], name: Callable[[int], str]) -> str:
    if place >= len(shown):
        return ""
    told = escape(name(shown[place]))
    return f"<mark>{told}</mark>" if shown[place] in then else told


def _models(names: Sequence[str]) -> list[str]:
    """Ours first, then others that differ most: those whose names do not begin as ours, best sellers among them."""
    others = [one for one in names if not one.startswith(OURS)]
    wanted = [one for one in others if one.startswith(("popularity, last", "EASE", "item-kNN"))] or others
    preferred = sorted(wanted, key=lambda one: ("our recency" in one, not one.startswith("popularity")))
    return [OURS, *(preferred or [one for one in names if one != OURS])][:_MOST_MODELS]
