"""When two answers to one micro-batch are the same: products, order, reasons, scores and shares, but for ties.

A tie is a difference that the last bits of single precision decide. Scores of the reference within 1e-6 of each other
may stand in either order, and so may reasons that speak within 1e-6; the last of the 200 candidates and of the 100
neighbours may be another where two are that close, which `ties` counts and a test bounds.
"""

from dataclasses import dataclass, replace

import numpy as np

from model.ranking.asked import AskedBatch, Recommended
from model.ranking.kernel import reference
from model.ranking.model import RankingModel
from model.ranking.shares import COLUMNS

SCORES = 2e-6  # of the sizes of a score's parts together, which may cancel each other
TIED = 1e-6
SUMS = 1e-5


@dataclass(frozen=True)
class Both:
    """What the reference and the kernel answered."""

    expected: Recommended
    given: Recommended


def ask_both(model: RankingModel, asked: AskedBatch, *, most: int = 2) -> Both:
    """The model must be alive."""
    assert model.live is not None
    assert model.live.kernel_of(model) is not None, "the reference would be compared with itself"
    average = model.index.average_output()
    given = model.recommend(asked, average=average, most=most, shares=True)
    return Both(reference.recommended(model, asked, average=average, most=most, shares=True), given)


def assert_alike(model: RankingModel, asked: AskedBatch, *, most: int = 2, ties: int = 0) -> Both:
    """The two answer the same; at most so many customers have another last candidate or neighbour."""
    both = ask_both(model, asked, most=most)
    expected, given = both.expected, both.given
    assert given.able.tolist() == expected.able.tolist()
    assert given.starts.tolist() == expected.starts.tolist()
    assert [array.dtype for array in (given.rows, given.scores, given.reasons)] == [
        array.dtype for array in (expected.rows, expected.scores, expected.reasons)
    ]
    odd = [i for i in range(len(asked)) if not _alike(model, asked, both, i)]
    assert len(odd) <= ties, f"customers {odd} are shown something else"
    assert_sums(given)
    assert_sums(expected)
    return both


def assert_sums(answer: Recommended, within: float = SUMS) -> None:
    """The shares add up to the scores."""
    assert answer.shares is not None
    np.testing.assert_allclose(answer.shares.sums(), answer.scores, rtol=within, atol=within)


def _alike(model: RankingModel, asked: AskedBatch, both: Both, i: int) -> bool:
    mine = slice(both.expected.starts[i], both.expected.starts[i + 1])
    expected, given = both.expected, both.given
    if (np.abs(given.scores[mine] - expected.scores[mine]) > SCORES * _sizes(expected)[mine]).any():
        return False
    other = np.flatnonzero(given.rows[mine] != expected.rows[mine])
    if len(other) and not _tied(model, asked, both, i, other):
        return False
    return all(_explained_alike(both, at) for at in range(mine.start, mine.stop) if at - mine.start not in other)


def _sizes(answer: Recommended) -> np.ndarray:
    """float64 (n_shown,): 1 + what the parts of each score would add up to, were all of them positive."""
    assert answer.shares is not None
    sizes = {name: np.abs(getattr(answer.shares, name)) for name in ("purchases", *COLUMNS)}
    return 1 + replace(answer.shares, **sizes).sums()


def _tied(model: RankingModel, asked: AskedBatch, both: Both, i: int, places: np.ndarray) -> bool:
    """Whether the reference would have these rows at scores that are next to those which stand here."""
    further = replace(asked, k=[k + 10 for k in asked.k])
    more = reference.recommended(model, further, average=model.index.average_output())
    mine = slice(more.starts[i], more.starts[i + 1])
    score_of = dict(zip(more.rows[mine].tolist(), more.scores[mine].tolist(), strict=True))
    start = both.expected.starts[i]
    return all(
        abs(score_of.get(int(both.given.rows[start + at]), np.inf) - both.expected.scores[start + at])
        <= TIED * max(1, abs(both.expected.scores[start + at]))
        for at in places.tolist()
    )


def _explained_alike(both: Both, at: int) -> bool:
    expected, given = both.expected, both.given
    assert expected.shares is not None
    assert given.shares is not None
    mine = slice(expected.shares.starts[at], expected.shares.starts[at + 1])
    assert given.shares.rows[mine].tolist() == expected.shares.rows[mine].tolist()
    for name in COLUMNS:
        np.testing.assert_allclose(
            getattr(given.shares, name)[at], getattr(expected.shares, name)[at], rtol=SUMS, atol=SUMS, err_msg=name
        )
    np.testing.assert_allclose(given.shares.purchases[mine], expected.shares.purchases[mine], rtol=1e-4, atol=2e-6)
    return given.reasons[at].tolist() == expected.reasons[at].tolist()
