"""Who answers: trainings propose what the gate has accepted, people decide, and no training undoes it."""

import msgspec
import pytest

from consumers.releases.announcement import Announcement
from consumers.releases.decisions import (
    Decision,
    NoSuchDecision,
    after_trainings,
    lineage,
    pin,
    promote,
    rollback,
    unpin,
    why_full,
)
from model.embeddings.parameters import TrainingParameters
from model.ranking.parameters import Ranking, Scoring
from model.ranking.shown_scores import ScoreScale
from model.snapshots.metadata import About, Judgement


def v(number):
    return f"v{number}-20261124T101500Z"


def about(number, answers="candidate", *, verdict=None, kind="full"):
    verdict = verdict or ("accepted" if answers == "candidate" else "refused")
    return About(
        version=v(number),
        kind=kind,
        reason="",
        parent=None,
        created_at_s=0.0,
        seconds=1.0,
        database_id="db",
        offsets={},
        events=0,
        customers=0,
        lines=0,
        vocabulary=0,
        vocabulary_at_full=0,
        updates_since_full=0,
        full_at_s=0.0,
        customers_erased=0,
        parameters=TrainingParameters(),
        ranking=Ranking(scoring=Scoring()),
        score_scale=ScoreScale(),
        made_with={},
        judgement=Judgement(verdict=verdict, why="", answers=answers),
    )


def announced(number, **more):
    return Announcement(version=v(number), uri=v(number), sha256="0" * 64, created_at="", **more)


def on_disk(*abouts):
    """Newest first; a number stands for a version that was accepted."""
    made = [about(one) if isinstance(one, int) else one for one in abouts]
    return sorted(made, key=lambda one: int(one.version[1:].partition("-")[0]), reverse=True)


def test_a_brands_first_model_that_is_no_better_than_what_sells_leaves_the_one_of_every_brand_to_answer():
    refused = msgspec.structs.replace(about(2, "popular"), brand_id="acme")
    accepted = msgspec.structs.replace(about(3), brand_id="acme")

    assert after_trainings(None, [refused]) is None
    assert after_trainings(None, [accepted, refused]).version == v(3)
    assert after_trainings(None, [about(2, "popular")]).serves == "popular"


def followed(now, decision):
    """What is announced once the decision is."""
    return msgspec.structs.replace(
        now or announced(1),
        version=decision.version,
        uri=decision.version,
        serves=decision.serves,
        pinned=decision.pinned,
        previous=decision.previous,
        newest=decision.newest,
    )


# -- trainings


def test_the_first_model_is_announced():
    assert after_trainings(None, on_disk(1)) == Decision(v(1), "model", False, None, v(1))


def test_an_accepted_model_takes_over_and_remembers_the_one_before():
    assert after_trainings(announced(1), on_disk(1, 2)) == Decision(v(2), "model", False, v(1), v(2))


def test_what_is_announced_already_is_not_announced_again():
    assert after_trainings(announced(2), on_disk(1, 2)) is None


def test_a_refused_model_is_not_announced():
    assert after_trainings(announced(1), on_disk(1, about(2, "serving"))) is None


def test_an_accepted_model_that_nobody_announced_is_found_behind_a_refused_one():
    decision = after_trainings(announced(1), on_disk(1, 2, about(3, "serving")))

    assert (decision.version, decision.newest) == (v(2), v(3))


def test_a_refused_model_that_leaves_nothing_better_makes_popularity_answer():
    now = announced(1, previous=v(0))

    assert after_trainings(now, on_disk(1, about(2, "popular"))) == Decision(v(1), "popular", False, v(0), v(2))
    assert after_trainings(None, on_disk(about(2, "popular"))) == Decision(v(2), "popular", False, None, v(2))


def test_popularity_is_announced_once():
    now = followed(announced(1), after_trainings(announced(1), on_disk(1, about(2, "popular"))))

    assert after_trainings(now, on_disk(1, about(2, "popular"))) is None


def test_a_model_that_has_come_out_above_popularity_again_answers_again():
    now = announced(1, serves="popular", newest=v(2))

    assert after_trainings(now, on_disk(1, about(2, "popular"), about(3, "serving"))).serves == "model"
    assert after_trainings(now, on_disk(1, about(2, "popular"), 3)) == Decision(v(3), "model", False, v(1), v(3))


def test_no_training_replaces_what_is_pinned():
    assert after_trainings(announced(1, pinned=True), on_disk(1, 2, about(3, "popular"))) is None


def test_no_training_undoes_a_rollback_but_the_next_one_may_go_beyond_it():
    now = announced(2)
    now = followed(now, rollback(now, on_disk(1, 2), v(2)))

    assert now.version == v(1)
    assert after_trainings(now, on_disk(1, 2)) is None
    assert after_trainings(now, on_disk(1, 2, 3)).version == v(3)


def test_a_restart_does_not_promote_a_refused_model_nor_undo_a_promotion():
    disk = on_disk(1, 2, about(3, "serving"))
    promoted = followed(announced(2), promote(announced(2), disk[0], v(3)))

    assert after_trainings(announced(2), disk) is None
    assert promoted.version == v(3)
    assert after_trainings(promoted, disk) is None


# -- what an increment goes on from


def test_an_increment_goes_on_from_the_newest_that_was_not_refused():
    assert lineage(announced(2), on_disk(1, 2, about(3, "serving"))) == [v(2), v(1)]
    assert lineage(None, on_disk(1, about(2, "popular"))) == [v(1)]


def test_an_increment_does_not_go_on_from_what_was_rolled_back():
    now = announced(1, newest=v(2))

    assert lineage(now, on_disk(1, 2)) == [v(1)]
    assert lineage(now, on_disk(1, 2, 3)) == [v(3), v(1)]


def test_a_model_promoted_by_hand_is_gone_on_from():
    assert lineage(announced(3, newest=v(3)), on_disk(1, 2, about(3, "serving"))) == [v(3), v(2), v(1)]


def test_after_a_refused_increment_everything_is_learnt_anew():
    disk = on_disk(1, about(2, "serving", kind="increment"))

    assert why_full(announced(1), disk) == f"the increment {v(2)} was refused"
    assert why_full(announced(2, newest=v(2)), disk) is None
    assert why_full(announced(1), on_disk(1, about(2, "serving"))) is None
    assert why_full(None, []) is None


# -- by hand


def test_a_pin_holds_and_remembers_what_answered_before():
    assert pin(announced(3), about(1), v(3)) == Decision(v(1), "model", True, v(3), v(3))


def test_pinning_what_answers_keeps_the_way_back():
    assert pin(announced(3, previous=v(2)), about(3), v(3)).previous == v(2)


def test_unpinned_the_version_stays_until_the_next_training():
    now = announced(1, pinned=True)
    now = followed(now, unpin(now, v(3)))

    assert (now.version, now.pinned) == (v(1), False)
    assert after_trainings(now, on_disk(1, 2, 3)) is None
    assert after_trainings(now, on_disk(1, 2, 3, 4)).version == v(4)


def test_nothing_to_unpin_is_said():
    with pytest.raises(NoSuchDecision, match="no version is pinned"):
        unpin(announced(1), v(1))


def test_a_promotion_past_a_pin_is_refused_with_what_to_do():
    with pytest.raises(NoSuchDecision, match="alsobought models unpin"):
        promote(announced(1, pinned=True), about(2), v(2))


def test_a_rollback_goes_to_the_version_that_answered_before():
    assert rollback(announced(5, previous=v(3)), on_disk(1, 3, 4, 5), v(5)) == Decision(
        v(3), "model", False, v(1), v(5)
    )


def test_a_second_rollback_goes_further_back_and_never_to_a_refused_one():
    disk = on_disk(1, about(2, "serving"), 3, 4)
    now = announced(4, previous=v(3))
    now = followed(now, rollback(now, disk, v(4)))
    now = followed(now, rollback(now, disk, v(4)))

    assert (now.version, now.previous) == (v(1), None)


def test_a_rollback_moves_the_pin_along():
    assert rollback(announced(2, previous=v(1), pinned=True), on_disk(1, 2), v(2)).pinned


def test_a_rollback_from_popularity_lets_a_model_answer():
    assert rollback(announced(2, previous=v(1), serves="popular"), on_disk(1, 2), v(2)).serves == "model"


@pytest.mark.parametrize("now", [None, announced(1), announced(1, previous=v(0))])
def test_a_rollback_to_nothing_is_said(now):
    with pytest.raises(NoSuchDecision, match=r"no model is announced|no version before"):
        rollback(now, on_disk(1), v(1))
