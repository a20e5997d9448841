"""How Kafka is reached: topics, users, and errors that say what to do."""

from types import SimpleNamespace

import pytest
from confluent_kafka.admin import ConfigResource, NewTopic, ResourceType

from lumbung.core.errors import LumbungError, SettingError
from lumbung.core.settings import load
from lumbung.local.processes import free_port
from lumbung.stream import kafka as module
from lumbung.stream.kafka import ACTIVITY, EVENTS, Cluster, KafkaUnavailableError
from support.stream import PASSWORD, USER


def configs(tweets, topic):
    (future,) = tweets.admin.describe_configs([ConfigResource(ResourceType.TOPIC, topic)]).values()
    return {name: entry.value for name, entry in future.result().items()}


def test_topics_are_made_as_described_and_then_left_alone(tweets):
    tweets.cluster.ensure_topics()
    first = tweets.cluster.topic()
    assert first.partitions == [0, 1, 2]
    topics = tweets.admin.list_topics(timeout=10).topics
    assert {name: len(topics[f"{tweets.topic}{name}"].partitions) for name in (".done", ".dead")} == {
        ".done": 1,
        ".dead": 1,
    }
    day = 86_400_000
    wanted = {"": ("delete", 30 * day), ".done": ("compact", -1), ".dead": ("compact,delete", 90 * day)}
    for name, (policy, kept) in wanted.items():
        config = configs(tweets, f"{tweets.topic}{name}")
        assert (config["cleanup.policy"], config["retention.ms"]) == (policy, str(kept))
    tweets.cluster.ensure_topics()
    assert tweets.cluster.topic() == first


def test_a_recreated_topic_has_another_id(tweets):
    tweets.cluster.ensure_topics()
    first = tweets.cluster.topic()
    tweets.admin.delete_topics([tweets.topic])[tweets.topic].result()
    tweets.cluster.ensure_topics()
    assert tweets.cluster.topic().id != first.id


def test_a_topic_that_would_forget_what_is_done_is_refused(tweets):
    name = f"{tweets.topic}.done"
    tweets.admin.create_topics([NewTopic(name, 1, 1)])[name].result()
    with pytest.raises(LumbungError, match=rf"{name}: .*policy is delete, where compact is needed.*kafka-configs.sh"):
        tweets.cluster.ensure_topics()


@pytest.mark.parametrize(
    ("topic", "partitions", "message"),
    [("", 3, "timestamp.type is CreateTime"), (".done", 1, "policy is delete"), (".done", 6, "6 partitions")],
)
def test_a_topic_that_the_broker_has_not_heard_of_yet_is_checked(tweets, monkeypatch, topic, partitions, message):
    name = f"{tweets.topic}{topic}"
    tweets.admin.create_topics([NewTopic(name, partitions, 1)])[name].result()
    cluster = Cluster(tweets.settings, tweets.topic, ACTIVITY)
    list_topics = cluster._admin().list_topics

    def late(**options):
        """What a broker answers that has not heard of the topic yet; from then on it has."""
        monkeypatch.setattr(cluster._client, "list_topics", list_topics)
        answer = list_topics(**options)
        others = {other: topic for other, topic in answer.topics.items() if other != name}
        return SimpleNamespace(topics=others, brokers=answer.brokers)

    monkeypatch.setattr(cluster._client, "list_topics", late)
    with pytest.raises(LumbungError, match=message):
        cluster.ensure_topics()


def test_a_topic_that_is_deleted_meanwhile_is_not_said_to_have_no_partitions(tweets, monkeypatch):
    cluster = tweets.cluster
    cluster.ensure_topics()
    list_topics = cluster._admin().list_topics

    def last(**options):
        """What a broker answers before the topic is deleted."""
        monkeypatch.setattr(cluster._client, "list_topics", list_topics)
        answer = list_topics(**options)
        tweets.admin.delete_topics([cluster.done])[cluster.done].result()
        return answer

    monkeypatch.setattr(cluster._client, "list_topics", last)
    with pytest.raises(LumbungError, match="no such topic"):
        cluster.ensure_topics()


def test_one_client_asks_all(tweets):
    cluster = tweets.cluster
    assert cluster._admin() is cluster._admin()


def test_what_is_done_must_be_in_one_partition(tweets):
    name = f"{tweets.topic}.done"
    tweets.admin.create_topics([NewTopic(name, 6, 1, config={"cleanup.policy": "compact"})])[name].result()
    with pytest.raises(LumbungError, match=rf"{name}: the topic has 6 partitions, where 1 is needed"):
        tweets.cluster.ensure_topics()


def test_a_topic_of_events_keeps_all_of_them_and_has_no_dead_letters(tweets):
    cluster = Cluster(tweets.settings, tweets.topic, EVENTS, has_dead=False)
    cluster.ensure_topics()
    assert len(cluster.topic().partitions) == 3
    config = configs(tweets, tweets.topic)
    assert [config[option] for option in ("cleanup.policy", "retention.ms", "retention.bytes")] == [
        "delete",
        "-1",
        "-1",
    ]
    assert {name for name in tweets.admin.list_topics(timeout=10).topics if name.startswith(tweets.topic)} == {
        tweets.topic,
        f"{tweets.topic}.done",
    }
    cluster.ensure_topics()


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"cleanup.policy": "compact"}, "cleanup.policy is compact.*cleanup.policy=delete"),
        ({"cleanup.policy": "compact,delete"}, "cleanup.policy is compact,delete"),
        ({"retention.ms": "604800000"}, "retention.ms is 604800000, where -1 is needed.*config retention.ms=-1"),
        ({"retention.bytes": "1000", "retention.ms": "-1"}, "retention.bytes is 1000, where -1 is needed"),
        ({}, "retention.ms is 604800000"),  # the broker's default
    ],
)
def test_a_topic_that_would_lose_events_is_refused(tweets, config, message):
    tweets.admin.create_topics([NewTopic(tweets.topic, 1, 1, config=config)])[tweets.topic].result()
    with pytest.raises(LumbungError, match=f"{tweets.topic}: the topic's .*{message}"):
        Cluster(tweets.settings, tweets.topic, EVENTS, has_dead=False).ensure_topics()


def test_how_long_tweets_wait_is_the_users_choice(tweets):
    config = {"cleanup.policy": "delete", "retention.ms": "1000", "retention.bytes": "5"}
    tweets.admin.create_topics([NewTopic(tweets.topic, 1, 1, config=config)])[tweets.topic].result()
    tweets.cluster.ensure_topics()


def test_without_kafka_the_error_names_the_three_remedies(tweets):
    with pytest.raises(LumbungError) as error:
        Cluster(tweets.settings.replace(kafka=None))
    for way in ("LUMBUNG_KAFKA", "Java 17", "docker compose up -d kafka"):
        assert way in str(error.value)


def test_a_kafka_that_is_away(tweets, monkeypatch):
    monkeypatch.setattr(module, "REACH_SECONDS", 1)
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(KafkaUnavailableError, match=rf"{address}: Kafka does not answer.*PROFILES=stream"):
        Cluster(tweets.settings.replace(kafka=address)).ensure_topics()


def safe(tweets, **settings):
    environ = {"LUMBUNG_KAFKA": f"127.0.0.1:{tweets.broker.safe_port}", "LUMBUNG_KAFKA_USERNAME": USER}
    environ |= {"LUMBUNG_KAFKA_PASSWORD": PASSWORD, "LUMBUNG_KAFKA_CA": str(tweets.broker.ca)}
    return Cluster(load({**environ, "LUMBUNG_KAFKA_TOPIC": tweets.topic, **settings}))


def test_a_user_over_tls_by_settings_only(tweets):
    safe(tweets).ensure_topics()
    assert safe(tweets).topic() == tweets.cluster.topic()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"LUMBUNG_KAFKA_PASSWORD": "wr0ng-of-tests"}, "does not let this user in.*Check LUMBUNG_KAFKA_USERNAME"),
        ({"LUMBUNG_KAFKA_CA": ""}, "no safe connection.*set LUMBUNG_KAFKA_CA"),
    ],
    ids=["password", "authority"],
)
def test_why_a_safe_kafka_does_not_answer(tweets, monkeypatch, wrong, message):
    monkeypatch.setattr(module, "REACH_SECONDS", 3)
    with pytest.raises(LumbungError, match=message) as error:
        safe(tweets, **wrong).ensure_topics()
    assert "of-tests" not in str(error.value)


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"LUMBUNG_KAFKA": "broker.example.com"}, "LUMBUNG_KAFKA: "),
        ({"LUMBUNG_KAFKA_USERNAME": "u"}, "LUMBUNG_KAFKA_PASSWORD go together"),
        ({"LUMBUNG_KAFKA_TOPIC": "two words"}, "LUMBUNG_KAFKA_TOPIC: "),
        ({"LUMBUNG_KAFKA_SASL_MECHANISM": "NONE"}, "LUMBUNG_KAFKA_SASL_MECHANISM: "),
    ],
)
def test_settings_that_cannot_be(environ, message):
    with pytest.raises(SettingError, match=message):
        load(environ)
