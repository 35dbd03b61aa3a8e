"""Which model is to answer for a brand, and who decides: trainings within what the gate found, operators by hand.

In: what is announced now and what the versions on disk say of themselves. Out: the announcement to make, as a
`Decision`. Pure. One rule keeps trainings from undoing what a person did: a training only ever puts forward a version
that is newer than the newest one the last decision knew of, and none at all while a version is pinned.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from consumers.releases.announcement import Announcement
from model.snapshots.metadata import About, version_number


class NoSuchDecision(Exception):
    """What was asked for can not be decided; the text says why and what can be done."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to announce for a brand."""

    version: str
    serves: Literal["model", "popular"]
    pinned: bool
    previous: str | None
    newest: str | None


def after_trainings(now: Announcement | None, abouts: Sequence[About]) -> Decision | None:
    """What the gate's judgements make of what is announced; None when that stays. `abouts`: one brand's, newest first.

    The last judgement that found the serving model not to be the best decides. A brand's first model that is no better
    than recent popularity changes nothing: the model of every brand goes on answering for it.
    """
    if now is not None and now.pinned:
        return None
    if now is None:
        abouts = [about for about in abouts if about.brand_id is None or about.judgement.answers != "popular"]
    newer = [about for about in abouts if now is None or version_number(about.version) > now.decided_at]
    for about in newer:
        if about.judgement.answers != "serving":
            return _moved(now, about, newer[0].version)
    if newer and now is not None and now.serves == "popular":  # the model has come out above it again
        return Decision(now.version, "model", pinned=False, previous=now.previous, newest=newer[0].version)
    return None


def _moved(now: Announcement | None, about: About, newest: str) -> Decision:
    if about.judgement.answers == "popular":
        version = now.version if now is not None else about.version
        previous = None if now is None else now.previous
        return Decision(version, "popular", pinned=False, previous=previous, newest=newest)
    return Decision(about.version, "model", pinned=False, previous=_previous(now, about.version), newest=newest)


def lineage(now: Announcement | None, abouts: Sequence[About]) -> list[str]:
    """The versions that an increment may go on from, best first: none that the gate or a person has turned down.

    Those newer than the last decision come first, then the announced one, then older ones.
    """
    passed = [about.version for about in abouts if about.judgement.verdict != "refused"]
    if now is None:
        return passed
    newer = [version for version in passed if version_number(version) > now.decided_at]
    older = [version for version in passed if version_number(version) < version_number(now.version)]
    return [*newer, now.version, *older]


def why_full(now: Announcement | None, abouts: Sequence[About]) -> str | None:
    """Why the next training is not to be an increment, as far as the gate has to do with it."""
    newest = abouts[0] if abouts else None
    if newest is None or (now is not None and version_number(newest.version) <= now.decided_at):
        return None
    if newest.kind == "increment" and newest.judgement.verdict == "refused":
        return f"the increment {newest.version} was refused"
    return None


# -- by hand


def pin(now: Announcement | None, about: About, newest: str) -> Decision:
    """Let this version answer, whatever is learnt."""
    return Decision(about.version, "model", pinned=True, previous=_previous(now, about.version), newest=newest)


def unpin(now: Announcement | None, newest: str) -> Decision:
    """Let the version that answers stay until the next training that is accepted."""
    if now is None or not now.pinned:
        raise NoSuchDecision("no version is pinned, so there is nothing to unpin")
    return Decision(now.version, now.serves, pinned=False, previous=now.previous, newest=newest)


def promote(now: Announcement | None, about: About, newest: str) -> Decision:
    """Let this version answer, say one that was refused, until the next training that is accepted."""
    if now is not None and now.pinned:
        raise NoSuchDecision(
            f"{now.version} is pinned: `alsobought models unpin` first, or pin {about.version} instead"
        )
    return Decision(about.version, "model", pinned=False, previous=_previous(now, about.version), newest=newest)


def rollback(now: Announcement | None, abouts: Sequence[About], newest: str) -> Decision:
    """Back to the version that answered before; a pin moves along. Done again, it goes one further back."""
    if now is None:
        raise NoSuchDecision("no model is announced, so there is nothing to go back from")
    target = _before(now, abouts)
    if target is None:
        raise NoSuchDecision(f"no version before {now.version} is left on disk; keep_versions says how many stay")
    further = next((version for version in _passed_before(target, abouts)), None)
    return Decision(target, "model", pinned=now.pinned, previous=further, newest=newest)


def _before(now: Announcement, abouts: Sequence[About]) -> str | None:
    if now.previous in [about.version for about in abouts]:
        return now.previous
    return next((version for version in _passed_before(now.version, abouts)), None)


def _passed_before(version: str, abouts: Sequence[About]) -> list[str]:
    number = version_number(version)
    return [
        about.version
        for about in abouts
        if version_number(about.version) < number and about.judgement.verdict != "refused"
    ]


def _previous(now: Announcement | None, version: str) -> str | None:
    """The version that answers until now; of one that is announced anew, the one before it."""
    if now is None:
        return None
    return now.previous if now.version == version else now.version
