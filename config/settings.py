"""Every setting of alsobought, in one frozen object, each with its meaning, its range and its unit in its name.

`Settings(...)` takes values only from its caller; `config.loading.load_settings` reads file, environment and flags.
The section classes only order the documentation: the settings themselves are flat.
"""

import os
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from config.value_types import (
    Allowed,
    AnyCase,
    EventTypes,
    Folder,
    InstanceId,
    KafkaProperties,
    OptionalFolder,
    Replicas,
    ReplyTopicNames,
    Servers,
    TopicName,
    VisibleText,
)

ENVIRONMENT_PREFIX = "ALSOBOUGHT_"


class Section(BaseModel):
    """A group of settings that are explained together."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class KafkaSettings(Section):
    """Kafka."""

    role: Literal["both", "worker", "trainer"] = "both"
    """What this process does: answer requests (worker), learn (trainer), or both."""
    bootstrap_servers: Servers = "localhost:9092"
    """Where the Kafka brokers are."""
    group_id: VisibleText = "alsobought"
    """Consumer group of the workers; the trainer's own group is named after it."""
    group_instance_id: InstanceId = None
    """Stable name of this worker in the group: it gets its partitions back at once after a restart."""
    group_protocol: Literal["classic", "consumer"] = "classic"
    """Group protocol: classic, or the newer one of KIP-848."""
    kafka_silence_s: Annotated[float, Field(ge=5, le=86_400)] = 30
    """Not ready while no broker was heard for so many seconds."""
    kafka_properties: KafkaProperties = Field(default={}, repr=False)
    """Any librdkafka client property, such as those of SASL and TLS; the ones that the service owns are refused."""
    compression: Literal["none", "gzip", "snappy", "lz4", "zstd"] = "none"
    """Compression of what is sent; kafkajs and NestJS read only none and gzip. kafka_properties may overrule it."""


class TopicSettings(Section):
    """Topics."""

    purchases_topic: TopicName = "purchases"
    """Topic that brings purchases, keyed by profile id; it is kept for ever, as the history of every customer."""
    catalog_topic: TopicName = "catalog"
    """Topic that brings products with titles, categories and prices."""
    requests_topic: TopicName = "recommendation-requests"
    """Topic that brings requests for recommendations, keyed by profile id."""
    replies_topic: TopicName = "recommendation-replies"
    """Topic that takes the replies to requests that name no reply topic of their own."""
    models_topic: TopicName = "recommendation-models"
    """Topic on which new models are announced."""
    dead_letters_topic: TopicName = "alsobought-dead-letters"
    """Topic that takes records that could not be read, as they came, with the reason in headers."""
    reply_topics: ReplyTopicNames = ()
    """Topics that a request may name for its reply, a * at the end stands for any ending; empty: only replies_topic."""
    create_topics: bool = True
    """Create missing topics at start."""
    history_at_risk: Literal["auto", "refuse", "warn"] = "auto"
    """If purchases_topic does not keep all for ever: refuse to start, warn, or auto: refuse where it is compacted."""
    partitions: Annotated[int, Field(ge=1, le=10_000)] = 6
    """Partitions of purchases and of requests when they are created; both must have the same number."""
    replication_factor: Annotated[Replicas, Field(ge=-1, le=32_767)] = -1
    """Replicas of a created topic; -1 leaves it to the broker."""


class StorageSettings(Section):
    """Folders."""

    data_dir: Folder = Path("data")
    """Folder of this process's database and of run.json; one process per folder."""
    models_dir: OptionalFolder = None
    """Folder of the models, one folder per version, shared by trainer and workers; default: models inside data_dir."""
    keep_versions: Annotated[int, Field(ge=1, le=1_000)] = 5
    """How many model versions stay on disk, beside the one that answers and the one before it."""


class IngestSettings(Section):
    """Purchases."""

    ingest_batch_records: Annotated[int, Field(ge=1, le=100_000)] = 2_000
    """At most so many records are stored in one transaction."""
    fold_every_events: Annotated[int, Field(ge=1, le=100_000_000)] = 20_000
    """After so many purchases, or a tenth of the customers if that is more, new lines are folded into the histories."""
    dedupe_window_events: Annotated[int, Field(ge=1, le=100_000_000)] = 50_000
    """An event_id that comes again within so many events of its partition is counted once."""
    phone_hash_key: Annotated[SecretStr | None, Field(min_length=16), Allowed("a secret of at least 16 characters")] = (
        None
    )
    """Key of the hash that turns a phone number into a profile id; without it such purchases are dead letters."""
    max_future_s: Annotated[int, Field(ge=0, le=315_360_000)] = 86_400
    """A purchase dated further than so many seconds ahead of the clock is a dead letter."""
    earliest_purchase_year: Annotated[int, Field(ge=1970, le=2100)] = 1995
    """A purchase dated before this year is a dead letter: mostly it is a time in another unit, or an empty one."""
    purchase_types: EventTypes = ("purchased", "purchase.completed", "order.placed", "order.paid", "order.completed")
    """Event types that are purchases, beside purchase itself: their last words, however written; * is every type."""


class AnswerSettings(Section):
    """Answers."""

    history_cache_mb: Annotated[int, Field(ge=0, le=1_000_000)] = 256
    """Memory for the histories asked for lately, some 240 bytes for a customer with 12 products; 0: none are kept."""
    request_batch_records: Annotated[int, Field(ge=1, le=10_000)] = 256
    """At most so many requests are answered together."""
    request_max_age_ms: Annotated[int, Field(ge=1, le=86_400_000)] = 10_000
    """A request older than so many milliseconds is dropped and counted, unless it brings its own deadline."""
    default_k: Annotated[int, Field(ge=1, le=10_000)] = 10
    """How many products are recommended when the request does not say."""
    max_k: Annotated[int, Field(ge=1, le=10_000)] = 100
    """The most products a request may ask for."""
    kernel: Literal["on", "off"] = "on"
    """Rank in compiled code as soon as it is compiled, or always by the reference, which costs several times more."""
    kernel_cache_dir: OptionalFolder = None
    """Folder of the compiled kernel, 3 MB for each kind of processor; default: alsobought in this user's cache."""
    unknown_request_fields: Literal["refuse", "ignore"] = "refuse"
    """Fields of a request that are not known: an error that names them, or ignored and named in the reply."""
    late_answer_s: Annotated[float, Field(gt=0, le=86_400)] = 5
    """Not ready while most requests are dropped, or answered later than so many seconds after they were sent."""
    error_header: VisibleText = "error"
    """Name of the header that marks an error reply and holds its code."""


class AccuracySettings(Section):
    """Live accuracy."""

    accuracy_sample_per_s: Annotated[float, Field(ge=0, le=10_000)] = 20
    """At most so many purchases a second are compared with what was recommended; 0 turns it off."""
    accuracy_window_purchases: Annotated[int, Field(ge=1, le=1_000_000)] = 1_000
    """The gauges of hit rate and reciprocal rank speak of so many purchases, of each brand and of all."""


class LearningSettings(Section):
    """Learning."""

    train_min_new_events: Annotated[int, Field(ge=1, le=1_000_000_000)] = 1_000
    """Learn again after so many new purchases."""
    train_max_wait_s: Annotated[float, Field(gt=0, le=31_536_000)] = 3_600
    """Learn again after so many seconds if there is any new purchase."""
    train_min_customers: Annotated[int, Field(ge=1, le=1_000_000_000)] = 50
    """With fewer customers nothing is learnt, and recent popularity answers."""
    brand_models: Literal["auto", "on", "off"] = "auto"
    """A model for each brand with train_min_customers customers; auto: if at least half of them buy no other brand."""
    brand_models_max: Annotated[int, Field(ge=1, le=1_000)] = 20
    """So many brands at most have a model of their own; the others are answered by the one of every brand."""
    vector_size: Annotated[int, Field(ge=2, le=2_048)] = 128
    """Numbers in an item vector."""
    window: Annotated[int, Field(ge=1, le=1_000)] = 30
    """How many products of a customer on each side of a product are its context."""
    negative: Annotated[int, Field(ge=1, le=100)] = 20
    """Negative samples per product."""
    ns_exponent: Annotated[float, Field(ge=-2, le=2)] = 0.5
    """Negative samples are drawn by popularity to this power."""
    alpha: Annotated[float, Field(gt=0, le=1)] = 0.05
    """Learning rate at the start of a full training."""
    epochs: Annotated[int, Field(ge=1, le=1_000)] = 25
    """Passes over the histories in a full training."""
    subsample: Annotated[float, Field(ge=0, le=1)] = 1e-4
    """Products more frequent than this share are thinned out; 0 keeps them all."""
    min_count: Annotated[int, Field(ge=1, le=1_000_000)] = 2
    """A product bought less often is not learnt."""
    seed: Annotated[int, Field(ge=0, le=4_294_967_295)] = 1
    """Seed of everything random in learning."""
    full_rebuild_updates: Annotated[int, Field(ge=1, le=10_000)] = 8
    """Learn from scratch after so many increments."""
    full_rebuild_growth: Annotated[float, Field(gt=0, le=100)] = 1.0
    """Learn from scratch when the vocabulary has grown by this share since the last time; 1: it has doubled."""
    full_rebuild_hours: Annotated[float, Field(gt=0, le=87_600)] = 24
    """Learn from scratch when the last time is so many hours ago."""
    trainer_niceness: Annotated[int, Field(ge=0, le=19)] = 19
    """How far the learning process stands back for others: 0 not at all, 19 most."""


class GateSettings(Section):
    """The gate."""

    gate_margin: Annotated[float, Field(ge=0, le=1)] = 0.05
    """A new model is refused when it measurably loses more than this share of the NDCG of the model that answers."""
    gate_customers: Annotated[int, Field(ge=0, le=1_000_000)] = 1_000
    """At most so many customers' newest purchases are left out of learning to judge a new model with; 0 judges none."""


class RankingSettings(Section):
    """Ranking."""

    scale: Annotated[float, Field(ge=0, le=100)] = 1.0
    """Weight of the item vectors in the score."""
    popularity_weight: Annotated[float, Field(ge=0, le=100)] = 0.5
    """Weight of how often a product was ever bought."""
    recency: Annotated[float, Field(gt=0, le=1)] = 0.9
    """Weight of an order in a customer's taste, compared with the order after it."""
    trend_weight: Annotated[float, Field(ge=0, le=100)] = 1.0
    """Weight of how a product sells lately, compared with before."""
    trend_days: Annotated[int, Field(ge=1, le=3_650)] = 14
    """How many days count as lately."""
    neighbour_votes: bool = True
    """Also rank by what the customers most like this one newly bought lately, where calibration finds that it helps."""
    product_votes: bool = True
    """Also rank by which products were bought together, where calibration finds that it helps."""
    calibrate_hours: Annotated[float, Field(ge=0, le=87_600)] = 168
    """Learn from past weeks how to rank when that is so many hours old; 0: never, the settings above stand."""


class OperationSettings(Section):
    """HTTP and logs."""

    http_host: VisibleText = "127.0.0.1"
    """Address on which metrics and health are served; 0.0.0.0 serves every network of the machine."""
    http_port: Annotated[int, Field(ge=0, le=65_535)] = 8_000
    """Port of metrics and health; 0 takes any free one."""
    http_token: Annotated[SecretStr | None, Field(min_length=16), Allowed("a secret of at least 16 characters")] = None
    """What every path but /health asks for (Authorization: Bearer); needed where http_host is not this machine only."""
    http_open: bool = False
    """Answer over HTTP without a token, though http_host is not this machine alone."""
    metrics_brands: Annotated[int, Field(ge=0, le=10_000)] = 20
    """So many brands have series of their own in metrics; all further ones are counted together as "other"."""
    log_format: Literal["auto", "console", "json"] = "auto"
    """Form of the log: auto is for people on a terminal and JSON elsewhere."""
    log_level: Annotated[Literal["debug", "info", "warning", "error"], AnyCase] = "info"
    """The least important lines that are logged."""


SECTIONS: tuple[type[Section], ...] = (
    KafkaSettings,
    TopicSettings,
    StorageSettings,
    IngestSettings,
    AnswerSettings,
    AccuracySettings,
    LearningSettings,
    GateSettings,
    RankingSettings,
    OperationSettings,
)


class Settings(
    OperationSettings,
    RankingSettings,
    GateSettings,
    LearningSettings,
    AccuracySettings,
    AnswerSettings,
    IngestSettings,
    StorageSettings,
    TopicSettings,
    KafkaSettings,
    BaseSettings,
):
    """All settings; a wrong one raises pydantic's ValidationError, which `load_settings` turns into a ConfigError."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix=ENVIRONMENT_PREFIX, env_ignore_empty=True, allow_inf_nan=False
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is pydantic's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take values from the caller only, so that a Settings object in a test never depends on its surroundings."""
        return (init_settings,)

    @property
    def database(self) -> Path:
        """The file of this process's database, inside `data_dir`."""
        return self.data_dir / "alsobought.db"

    @property
    def models_folder(self) -> Path:
        """The folder of the models: `models_dir`, or `models` inside `data_dir`."""
        return self.models_dir or self.data_dir / "models"

    @property
    def kernel_folders(self) -> list[Path]:
        """Where the compiled kernel is looked for, and made in the first that can be written."""
        cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 - never raises
        return [self.kernel_cache_dir or Path(cache) / "alsobought", self.data_dir / "kernel"]

    @property
    def allowed_reply_topics(self) -> tuple[str, ...]:
        """Topic names, or beginnings with a * at the end, that a reply may go to; never empty."""
        return self.reply_topics or (self.replies_topic,)

    @field_validator("*", mode="before")
    @classmethod
    def _truth_is_no_number(cls, value: object, info: ValidationInfo) -> object:
        if isinstance(value, bool) and cls.model_fields[str(info.field_name)].annotation in (int, float):
            raise ValueError("true and false are no numbers")
        return value

    @model_validator(mode="after")
    def _settings_agree(self) -> Self:
        self._refuse_shared_topics()
        self._refuse_replies_to_own_topics()
        if self.default_k > self.max_k:
            raise ValueError(
                f"default_k = {self.default_k} is more than max_k = {self.max_k}: lower one or raise the other"
            )
        return self

    def _topics(self) -> dict[str, str]:
        return {name: getattr(self, name) for name in TopicSettings.model_fields if name.endswith("_topic")}

    def _refuse_shared_topics(self) -> None:
        settings_by_topic: dict[str, str] = {}
        for setting, topic in self._topics().items():
            other = settings_by_topic.setdefault(topic, setting)
            if other != setting:
                raise ValueError(f"{other} and {setting} are both {topic!r}: each needs a topic of its own")

    def _refuse_replies_to_own_topics(self) -> None:
        for setting, topic in self._topics().items():
            for pattern in self.reply_topics:
                if setting != "replies_topic" and matches_topic(pattern, topic):
                    raise ValueError(
                        f"reply_topics allows {pattern!r}, which takes in {setting} = {topic!r}: narrow it"
                    )


def matches_topic(pattern: str, topic: str) -> bool:
    """Whether `topic` is the name `pattern`, or begins with it where the pattern ends in `*`."""
    return topic.startswith(pattern[:-1]) if pattern.endswith("*") else topic == pattern
