"""Processes of the path of tweets are killed at random moments: the task, with all that it runs, and the servers."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator

from faults.environment import AnyHarness, FaultEnvironment
from faults.kills import Line, kill_line
from faults.result import Options, Result
from lumbung.catalog.contract import Catalog
from support import stream
from support.tweet_harness import TweetHarness, tweet

# The share of the kills of enrollments that are tried here, as a run takes longer.
SHARE = 0.25
TEXTS = ("saham naik", "sukukku dan reksa dana", "suku bunga", "saham-saham", "cuaca cerah", "#SahamIndonesia")


class Tweets(Line):
    """The path of tweets, with a broker of its own."""

    name, targets = "kills of a run of tweets", ("task", "warehouse", "broker", "all")

    def __init__(self, environment: FaultEnvironment, broker: stream.Broker, catalog: Catalog) -> None:
        self.environment, self.broker, self.catalog, self._numbers = environment, broker, catalog, itertools.count()

    @contextlib.contextmanager
    def harness(self) -> Iterator[AnyHarness]:
        folder = self.environment.folder / f"tweets-{next(self._numbers)}"
        harness = TweetHarness(folder, self.environment.bigquery.address, self.broker.address, self.catalog)
        with contextlib.closing(harness):
            yield harness

    def fill(self, harness: AnyHarness, number: int) -> None:
        """Add an archive file: tweets of three days, one twice, one late, an edit, a retweet, a bad line."""
        made = [
            tweet(
                1000 * number + index,
                f"{'RT @x: ' if index == 4 else ''}{TEXTS[index % len(TEXTS)]} {number}",
                f"2026-08-{20 - index % 3:02}T{index % 24:02}:30",
                f"sintetis_{index % 5}",
                **({"edit_history_tweet_ids": [f"{1000 * number + index - 1}"]} if index == 7 else {}),
            )
            for index in range(1, 40)
        ]
        assert isinstance(harness, TweetHarness)
        harness.give(f"{number:03}", *made, made[0], b"no JSON")

    def kill(self, target: str) -> None:
        {"warehouse": self.environment.kill_warehouse, "broker": self.broker.kill}[target]()

    def revive(self, harness: AnyHarness) -> None:
        self.environment.revive(harness)
        self.broker.start()


def run_tweet_kills(environment: FaultEnvironment, options: Options) -> Result:
    """Disturb runs of tweets: kill the task with its collector, shipper, lander and Sail, a server, or all."""
    with stream.running(environment.folder / "kafka") as broker:
        line = Tweets(environment, broker, Catalog(options.tweet_catalog))
        return kill_line(environment, options, line, max(1, int(SHARE * options.kills)))
