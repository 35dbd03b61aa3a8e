"""One training from beginning to end: read the store, learn, judge, write the snapshot, announce what has earned it.

Which model a candidate is judged beside, and which an increment goes on from, is what the models topic says; without
Kafka, the newest version on disk that was not refused.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from confluent_kafka import Producer

from config.settings import Settings
from consumers.kafka.clients import BrokerUnavailable, KafkaClients
from consumers.releases.announcement import Announcement
from consumers.releases.announcer import Announcer, OnRefused, announced_now, log_refused, on_disk, once
from consumers.releases.decisions import lineage, why_full
from model.progress import Progress, silent
from model.ranking.parameters import Ranking
from model.snapshots.metadata import About, SnapshotRefused, file_names, read_about
from model.snapshots.reader import open_snapshot
from model.snapshots.writer import Draft, write_snapshot
from model.store.reader import make_durable, read_contents

DATABASE = "alsobought.db"


@dataclass(frozen=True, slots=True)
class _Before:
    """What there is before a training, for the brand that is learnt."""

    announced: Announcement | None
    abouts: Sequence[About]  # newest first

    @property
    def lineage(self) -> list[str]:
        """What an increment may go on from, best first."""
        return lineage(self.announced, self.abouts)

    @property
    def ranking(self) -> Ranking | None:
        """How the newest model ranks."""
        return self.abouts[0].ranking if self.abouts else None

    @property
    def serving(self) -> str | None:
        """The version to judge beside."""
        if self.announced is not None:
            return self.announced.version
        return next(iter(self.lineage), None)


def train_once(
    settings: Settings,
    *,
    brand_id: str | None = None,
    full: bool = False,
    at_once: bool = False,
    announce: bool = True,
    announcer: Announcer | None = None,
    progress: Progress = silent,
    on_refused: OnRefused = log_refused,
) -> About:
    """Learn from all there is, judge it, write the snapshot, announce what has earned it, and remove the oldest ones.

    `at_once`: where there is no model yet, what takes long is put off, see `is_put_off`. Without `announce` Kafka is
    not asked for anything and no version is removed. Raises `TooLittleData`, or what kept it from reading, writing or
    announcing.
    """
    on_refused = once(on_refused)
    announcer = announcer or (announcer_of(settings) if announce else None)
    before = _Before(
        _announced(announcer, brand_id or "") if announce else None,
        on_disk(settings.models_folder, on_refused).get(brand_id or "", []),
    )
    at_once = at_once and not before.abouts
    draft = _learnt(settings, brand_id, before, full=full, at_once=at_once, progress=progress, on_refused=on_refused)
    # above what is announced, though the folder be empty now: an older number would never come to answer
    known = 0 if before.announced is None else before.announced.decided_at
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    version, _ = write_snapshot(settings.models_folder, draft, stamp, after=known)
    if announce and announcer is not None:
        try:
            announcer.catch_up(on_refused)
        except BrokerUnavailable as error:
            raise BrokerUnavailable(
                f"{error}. {version} is learnt and stays in {settings.models_folder}: it is announced when the service "
                "starts or learns, and by the next `alsobought train`"
            ) from error
    return read_about(settings.models_folder, version)


def is_put_off(settings: Settings, about: About) -> bool:
    """Whether this model still lacks its calibration, which takes two more trainings: the next training makes it."""
    wanted = settings.calibrate_hours > 0 and (settings.neighbour_votes or settings.product_votes)
    return wanted and about.ranking.calibration is None


def announcer_of(settings: Settings, producer: Producer | None = None) -> Announcer:
    """The announcer for these settings."""
    clients = KafkaClients(settings.bootstrap_servers, settings.kafka_properties, settings.compression)
    return Announcer(
        settings.models_folder,
        settings.models_topic,
        settings.keep_versions,
        clients,
        producer or clients.producer(compression_type="none"),
    )


def _announced(announcer: Announcer | None, brand: str) -> Announcement | None:
    """What is announced, None also while Kafka is away: learning need not wait for it, announcing will."""
    if announcer is None:
        return None
    try:
        return announced_now(announcer.clients, announcer.topic).get(brand)
    except BrokerUnavailable:
        return None


def _learnt(
    settings: Settings,
    brand_id: str | None,
    before: _Before,
    *,
    full: bool,
    at_once: bool,
    progress: Progress,
    on_refused: OnRefused,
) -> Draft:
    # gensim and SciPy take a second and 100 MB: only a process that trains imports them
    from consumers.training.recipes import gate_of, recipe_of  # noqa: PLC0415
    from model.training.gated_learning import Serving, learn_judged  # noqa: PLC0415
    from model.training.learning import newest_ancestor  # noqa: PLC0415

    models = settings.models_folder
    contents = read_contents(settings.data_dir / DATABASE)
    make_durable(settings.data_dir / DATABASE)
    reason = why_full(before.announced, before.abouts)
    if reason is None and before.abouts and is_put_off(settings, before.abouts[0]):
        reason = "how to rank is not calibrated yet"
    if full and before.abouts:
        reason = "--full was asked for"
    ancestor = None if full or reason else newest_ancestor(models, before.lineage, brand_id, on_refused)
    if ancestor is None and reason is None and before.abouts:
        reason = "no version on disk can be gone on from: each was refused or is damaged"
    serving = None
    if before.serving is not None and settings.gate_customers:
        try:
            snapshot = open_snapshot(models, before.serving)
            learnt = np.load(snapshot.folder / file_names(before.serving)["learnt"], allow_pickle=False)
            serving = Serving(snapshot, learnt)
        except SnapshotRefused as refused:
            on_refused(before.serving, refused)
        except OSError as error:  # it went away since it was opened
            on_refused(before.serving, SnapshotRefused("missing_file", str(error)))
    return learn_judged(
        contents,
        recipe_of(settings, brand_id),
        ancestor,
        serving,
        gate_of(settings),
        progress=progress,
        now_s=time.time(),
        why_full=reason,
        ranking=before.ranking,
        at_once=at_once,
    )
