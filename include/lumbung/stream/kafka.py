"""How Kafka is reached: client configuration, topics, offsets, and its errors in plain words."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from lumbung.core.errors import LumbungError
from lumbung.core.settings import Settings, variable

if TYPE_CHECKING:
    from confluent_kafka import KafkaError
    from confluent_kafka.admin import AdminClient, TopicMetadata

# One tweet's versions share a partition; three let as many landers work side by side.
PARTITIONS = 3
_DAY_MS = 24 * 60 * 60 * 1000
# Messages wait this long to be landed; landing stops with an error when some were not.
TWEETS = {"cleanup.policy": "delete", "retention.ms": str(30 * _DAY_MS)}
# The broker's clock, not the producers': within a partition it tells what has been landed up to a time.
ACTIVITY = TWEETS | {"message.timestamp.type": "LogAppendTime"}
# Events are kept for ever, each of them: by its key a newer one replaces none.
EVENTS = {"cleanup.policy": "delete", "retention.ms": "-1", "retention.bytes": "-1"}
# A file that was shipped is known for ever.
DONE = {"cleanup.policy": "compact", "retention.ms": "-1"}
# A dead letter that came twice has the same key: compaction leaves one. It may be a bit larger than what it was.
DEAD = {"cleanup.policy": "compact,delete", "retention.ms": str(90 * _DAY_MS), "max.message.bytes": str(2 << 20)}
REPLICAS = 3

REACH_SECONDS = 10.0  # for a first answer
WAIT_SECONDS = 60.0  # for a broker that is restarting

KAFKA_REMEDY = (
    f"set {variable('kafka')} to a Kafka that runs, or install Java 17 or later and Maven, from which a command"
    " starts one (Airflow alone does not), or start one by make env PROFILES=stream and docker compose up -d kafka,"
    " which is 127.0.0.1:9094"
)

# What the client library has to say goes here, not to the terminal: what matters is raised.
_log = logging.getLogger("lumbung.kafka")
_log.addHandler(logging.NullHandler())
QUIET: dict[str, Any] = {"logger": _log}


class KafkaUnavailableError(LumbungError):
    """Kafka does not answer."""

    transient = True


@dataclass(frozen=True)
class Topic:
    """A topic as it is now.

    Attributes:
        name: its name.
        id: Kafka's own id of it, another one when the topic is deleted and made again.
        partitions: the numbers of its partitions.
    """

    name: str
    id: str
    partitions: list[int]


class Offsets(NamedTuple):
    """A partition's first offset that is still there, and the one behind its last."""

    first: int
    end: int


def _must_be(option: str, config: Mapping[str, str]) -> bool:
    """Whether a topic that is there must have this value of a configuration; other retentions are the user's choice."""
    if option.startswith("retention."):
        return "delete" in config["cleanup.policy"] and config[option] == "-1"
    return option in ("cleanup.policy", "message.timestamp.type")


def _is_led(topic: TopicMetadata | None) -> bool:
    """Whether the broker knows a topic, and who leads its partitions."""
    return topic is not None and all(partition.leader >= 0 for partition in topic.partitions.values())


class Cluster:
    """The Kafka that the settings name, for one topic with its topics of what is done and of dead letters.

    Args:
        settings: which.
        topic: the topic's name; default: that of tweets.
        config: the topic's configuration, where it is made.
        sender: the command that fills the topic.
        has_dead: whether a topic of dead letters belongs to it.

    Attributes:
        name: the topic's name.
        done: the topic of what is sent.
        dead: the topic of dead letters, where it has one.

    Raises:
        LumbungError: they name none.
    """

    def __init__(
        self,
        settings: Settings,
        topic: str | None = None,
        config: Mapping[str, str] = TWEETS,
        *,
        sender: str = "lumbung tweets ship",
        has_dead: bool = True,
    ) -> None:
        if not settings.kafka.servers:
            raise LumbungError("no Kafka is set", where=variable("kafka"), remedy=KAFKA_REMEDY)
        self.settings = settings
        self.name = topic or settings.kafka.topic
        self._config, self.sender, self._has_dead = dict(config), sender, has_dead
        self.done = f"{self.name}.done"
        self.dead = f"{self.name}.dead"
        self._heard: KafkaError | None = None
        self._client: AdminClient | None = None

    def config(self, **options: Any) -> dict[str, Any]:
        """The configuration of a client.

        Args:
            options: more of it, with `_` for the dots of their names.
        """
        settings = self.settings
        protocol = settings.kafka.security_protocol or ("SASL_SSL" if settings.kafka.username else "PLAINTEXT")
        config: dict[str, Any] = {
            "bootstrap.servers": settings.kafka.servers,
            "client.id": "lumbung",
            "security.protocol": protocol,
            "error_cb": self._hear,
            "reconnect.backoff.max.ms": 2000,  # a broker that has restarted is found soon
            **QUIET,
        }
        if settings.kafka.username and settings.kafka.password:
            config["sasl.mechanism"] = settings.kafka.sasl_mechanism
            config["sasl.username"] = settings.kafka.username
            config["sasl.password"] = settings.kafka.password.get_secret_value()
        if settings.kafka.ca:
            config["ssl.ca.location"] = str(settings.kafka.ca)
        return config | {name.replace("_", "."): value for name, value in options.items()}

    @contextlib.contextmanager
    def errors(self, doing: str) -> Iterator[None]:
        """Raise what the client library raises as an error that a person can act on.

        Args:
            doing: what is done here, to follow "Kafka refuses to".

        Raises:
            KafkaUnavailableError: Kafka does not answer.
            LumbungError: it refuses.
        """
        from confluent_kafka import KafkaException

        try:
            yield
        except KafkaException as error:
            if self._client is not None:
                self._client.poll(0)  # what it heard of the connection
            raise self.explain(error.args[0], doing) from error

    def explain(self, error: KafkaError, doing: str) -> LumbungError:
        """The error that a person can act on.

        Args:
            error: what the client library reports.
            doing: what was done, to follow "Kafka refuses to".
        """
        from confluent_kafka import KafkaError as Kafka

        where = str(self.settings.kafka.servers)
        away = {
            *(Kafka._TRANSPORT, Kafka._ALL_BROKERS_DOWN, Kafka._RESOLVE, Kafka._TIMED_OUT, Kafka._TIMED_OUT_QUEUE),
            *(Kafka.REQUEST_TIMED_OUT, Kafka.NETWORK_EXCEPTION, Kafka._MSG_TIMED_OUT),
        }
        refused = {Kafka._AUTHENTICATION, Kafka.SASL_AUTHENTICATION_FAILED}
        denied = {
            *(Kafka.TOPIC_AUTHORIZATION_FAILED, Kafka.GROUP_AUTHORIZATION_FAILED),
            *(Kafka.CLUSTER_AUTHORIZATION_FAILED, Kafka.TRANSACTIONAL_ID_AUTHORIZATION_FAILED),
        }
        if error.code() in away and self._heard:
            error = self._heard
        if error.code() in refused:
            user, password = variable("kafka_username"), variable("kafka_password")
            return LumbungError(
                f"Kafka does not let this user in ({error.str()})",
                where=where,
                remedy=f"check {user}, {password}, {variable('kafka_sasl_mechanism')} and"
                f" {variable('kafka_security_protocol')}",
            )
        if error.code() == Kafka._SSL:
            return LumbungError(
                f"no safe connection to Kafka ({error.str()})",
                where=where,
                remedy=f"check {variable('kafka_security_protocol')}; for a company's own authority set"
                f" {variable('kafka_ca')}",
            )
        if error.code() in away:
            return KafkaUnavailableError(
                f"Kafka does not answer ({error.str()})",
                where=where,
                remedy=f"see to it that it runs, or {KAFKA_REMEDY}",
            )
        if error.code() == Kafka.UNKNOWN_TOPIC_OR_PART:
            return LumbungError("there is no such topic", where=self.name, remedy=f"run {self.sender}, which makes it")
        if error.code() in denied:
            return LumbungError(
                f"Kafka does not allow this user to {doing} ({error.str()})",
                where=where,
                remedy=f"give the user the right to it: topics {self.name}*, groups and transactional ids lumbung-*",
            )
        return LumbungError(f"Kafka refuses to {doing} ({error.str()})", where=where, remedy="read the broker's log")

    def ensure_topics(self) -> None:
        """Make the topics that are not there, with explicit partitions, replicas, retention and cleanup policy.

        What is there keeps its partitions and its retention.

        Raises:
            KafkaUnavailableError: Kafka does not answer.
            LumbungError: a topic cannot be made, or one that is there would lose what must be kept.
        """
        from confluent_kafka import KafkaError, KafkaException
        from confluent_kafka.admin import NewTopic

        wanted = {self.name: (PARTITIONS, self._config), self.done: (1, DONE)}
        if self._has_dead:
            wanted[self.dead] = (1, DEAD)
        with self.errors("make topics"):
            metadata = self._admin().list_topics(timeout=REACH_SECONDS)
            missing = [
                NewTopic(name, partitions, min(REPLICAS, len(metadata.brokers)), config=config)
                for name, (partitions, config) in wanted.items()
                if name not in metadata.topics
            ]
            made = set()
            for name, future in self._admin().create_topics(missing).items() if missing else ():
                try:
                    future.result()
                    made.add(name)
                except KafkaException as error:
                    # Another command was faster, or the broker that was asked had not heard of the topic yet.
                    if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                        raise
            topics = self._admin().list_topics(timeout=WAIT_SECONDS).topics if missing else metadata.topics
            until = time.monotonic() + WAIT_SECONDS
            while missing and not all(_is_led(topics.get(name)) for name in wanted) and time.monotonic() < until:
                time.sleep(0.05)
                topics = self._admin().list_topics(timeout=WAIT_SECONDS).topics
        self._check_done(topics.get(self.done))
        self._check_configs({name: config for name, (_, config) in wanted.items() if name not in made})

    def _check_done(self, done: TopicMetadata | None) -> None:
        """Only the first partition is read: what is done would be sent again."""
        if done and len(done.partitions) != 1:
            raise LumbungError(
                f"the topic has {len(done.partitions)} partitions, where 1 is needed",
                where=self.done,
                remedy=f"if nothing was sent yet, delete it: {self.sender} makes it; else copy its records to a topic"
                " with one partition",
            )

    def _check_configs(self, wanted: dict[str, Mapping[str, str]]) -> None:
        from confluent_kafka.admin import ConfigResource, ResourceType

        if not wanted:
            return
        with self.errors("describe a topic's configuration"):
            asked = [ConfigResource(ResourceType.TOPIC, name) for name in wanted]
            configs = {
                resource.name: future.result() for resource, future in self._admin().describe_configs(asked).items()
            }
        for name, config in wanted.items():
            wrong = {
                option: (value, right)
                for option, right in config.items()
                if _must_be(option, config) and (value := configs[name][option].value) != right
            }
            # Without compaction a dead letter may be there twice, which does no harm.
            if wrong and name != self.dead:
                has = ", ".join(f"{option} is {value}" for option, (value, _) in wrong.items())
                needed = ", ".join(right for _, right in wrong.values())
                options = ",".join(f"{option}={right}" for option, (_, right) in wrong.items())
                raise LumbungError(
                    f"the topic's {has}, where {needed} is needed",
                    where=name,
                    remedy=f"set it: kafka-configs.sh --bootstrap-server {self.settings.kafka.servers} --alter"
                    f" --topic {name} --add-config {options}",
                )

    def topic(self, seconds: float = WAIT_SECONDS) -> Topic:
        """The topic as it is now.

        Args:
            seconds: how long to wait for an answer.

        Raises:
            LumbungError: there is none, or Kafka does not answer.
        """
        from confluent_kafka import TopicCollection

        with self.errors(f"describe {self.name}"):
            futures = self._admin().describe_topics(TopicCollection([self.name]), request_timeout=seconds)
            description = futures[self.name].result()
        # As Kafka's own tools write it; the client library's way of base64 has slashes.
        number = str(description.topic_id).translate(str.maketrans("+/", "-_"))
        return Topic(self.name, number, sorted(partition.id for partition in description.partitions))

    def offsets(self, topic: Topic) -> dict[int, Offsets]:
        """What a `read_committed` reader can reach of each partition.

        Raises:
            LumbungError: the topic is gone, or Kafka does not answer.
        """
        from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

        # A broker that has just started answers before it leads its partitions.
        passing = (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE)
        until = time.monotonic() + WAIT_SECONDS

        def ask(consumer: Consumer, partition: int) -> tuple[int, int] | None:
            while True:
                try:
                    return consumer.get_watermark_offsets(TopicPartition(topic.name, partition), WAIT_SECONDS)
                except KafkaException as error:
                    if error.args[0].code() not in passing or time.monotonic() > until:
                        raise
                time.sleep(0.1)

        # Not by the admin client: its answer sometimes takes three seconds.
        config = self.config(group_id="lumbung", isolation_level="read_committed")
        with self.errors(f"list the offsets of {topic.name}"), contextlib.closing(Consumer(config)) as consumer:
            watermarks = {partition: ask(consumer, partition) for partition in topic.partitions}
        return {partition: Offsets(*offsets) for partition, offsets in watermarks.items() if offsets}

    def _admin(self) -> AdminClient:
        from confluent_kafka.admin import AdminClient

        if self._client is None:  # a client whose queue is empty is false
            self._client = AdminClient(self.config())
        return self._client

    def _hear(self, error: KafkaError) -> None:
        if error.code() in (error._AUTHENTICATION, error._SSL):  # why it does not answer
            self._heard = error
