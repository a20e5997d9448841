"""Prune of the stream models: only what nothing is made from any more goes; and models whose file is no longer wanted.

Landed rows, their landings, and the newest generation of every batch stay, of any age: models of scheme b are trained
on all batches, and where to go on in Kafka is read from the landings. So do replays, which number the stream.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime

from lumbung.core.errors import LumbungError
from lumbung.models.release import RELEASES, ReleasedModel, mark_pruned, newest_release
from lumbung.pipeline.retention import Plan
from lumbung.storage.lake import Lake, Stored
from lumbung.stream.landing import folds, landings, newest_fold
from lumbung.systems.stream_models.activity_batch import BATCHES, newest_batches
from lumbung.systems.stream_models.by import By
from lumbung.systems.stream_models.cut import CUTS, folder_of, newest_cut
from lumbung.systems.stream_models.feed import LANDED, RAW
from lumbung.systems.stream_models.titles import TITLES
from lumbung.systems.stream_models.training import EVALUATIONS, FEATURES, MODELS, SCHEMES, Trainer, features_path
from lumbung.systems.stream_models.version import PLANS, SYSTEM, VERSIONS, newest_version
from lumbung.systems.stream_models.version import Plan as TrainingPlan

TRAINERS: tuple[Trainer, ...] = ("arrow", "mllib")
GENERATION = re.compile(r"manifest-\d{6}\.json$")


def plan(lake: Lake, before: datetime) -> Plan:
    """What goes.

    All versions, releases and cuts but the newest, plans of runs, folds of landings but the newest, older generations
    of batches, and files that nothing names: raw files of no landing, features of no batch, models and evaluations
    that the newest batches do not call for.

    Args:
        lake: the lake.
        before: a younger file may be that of a run or a lander at work.
    """
    folders = (VERSIONS, RELEASES, PLANS, CUTS, BATCHES, FEATURES, MODELS, EVALUATIONS, TITLES, RAW)
    # Listed before anything is read: what is written in between is in no list.
    files = [file for folder in folders for file in _old(lake, folder, before)]
    folded = list(_old(lake, folds(LANDED), before))
    named: set[str] = set()
    days_with_rejects: set[date] = set()
    for landing in landings(lake, LANDED):
        named.update(file.path for file in (*landing.files, landing.rejects) if file)
        if landing.rejects:
            days_with_rejects.add(landing.rejects.day)
    if fold := newest_fold(lake, LANDED):
        named |= {fold.file.path, f"{folds(LANDED)}/manifest-{fold.generation:06}.json"}
    named |= _wanted(lake)
    manifests = [file for file in (*files, *folded) if GENERATION.search(file.path)]
    return Plan(
        cutoff=date.max,  # what the systems share of a day is not kept for the stream, but for its rejects
        records=[file for file in manifests if file.path not in named],
        data=[file for file in (*files, *folded) if file.path not in named and file not in manifests],
        days_with_rejects=days_with_rejects,
    )


def _wanted(lake: Lake) -> set[str]:
    """What the newest batches of every way to cut, the newest version and the newest release name."""
    named: set[str] = set()
    for folder in lake.names(BATCHES):
        by = By.parse(folder.replace("-", ":", 1))
        batches = newest_batches(lake, by)
        cut = newest_cut(lake, by)
        named.add(f"{folder_of(by)}/manifest-{cut.generation:06}.json")
        named |= {cut.open.path} if cut.open else set()
        # Of a run that was killed, the cut alone names them.
        for batch in (*batches, *cut.batches):
            named.add(f"{BATCHES}/{folder}/{batch.number}/manifest-{batch.generation:06}.json")
            named |= {file.path for file in (batch.file, batch.csv) if file} | {features_path(batch)}
        for trainer in TRAINERS:
            models = TrainingPlan(by=f"{by}", trainer=trainer, schemes=list(SCHEMES), batches=batches).models()
            for model in models:
                named |= {f"{MODELS}/{model.key}.{end}" for end in ("json", "npz")}
                named |= {model.evaluation} if model.evaluation else set()
    if version := newest_version(lake):
        named.add(f"{VERSIONS}/manifest-{version.generation:06}.json")
        named |= {path for model in version.models for path in _of_model(lake, model)}
    if release := newest_release(lake):
        named.add(f"{RELEASES}/manifest-{release.generation:06}.json")
        named |= {path for model in release.models for path in _of_model(lake, model)}
        named |= {release.titles} if release.titles else set()
    return named


def _of_model(lake: Lake, model: ReleasedModel) -> Iterator[str]:
    yield from (model.file.path, f"{MODELS}/{model.key}.json")
    yield from (f"{EVALUATIONS}/{name}" for name in lake.names(EVALUATIONS, model.key) if name.startswith(model.key))


def _old(lake: Lake, folder: str, before: datetime) -> Iterator[Stored]:
    for file in lake.files(folder):
        if file.path.endswith((".parquet", ".json", ".jsonl.gz", ".npz", ".csv")) and file.modified < before:
            yield file


def prune_models(lake: Lake, *, keep: int, dry_run: bool) -> list[ReleasedModel]:
    """Delete the files of the oldest models of each scheme; the API says of them that they are gone.

    The latest models stay, and what is known of the others: they are not trained again.

    Args:
        lake: the lake.
        keep: models of each scheme to keep, at least 1.
        dry_run: whether only to say which.

    Returns:
        The models that go.

    Raises:
        LumbungError: nothing was released yet.
    """
    with lake.lease(f"release/{SYSTEM}"):
        release = newest_release(lake)
        if release is None:
            raise LumbungError("nothing is served yet", remedy="train models: lumbung models run")
        gone = [model for scheme in SCHEMES for model in _oldest(release.models, scheme, keep)]
        gone = [model for model in gone if model.id not in release.latest.values()]
        needed = {model.key for model in release.models if model not in gone}
        gone = [model for model in gone if model.key not in needed]  # a-1 and b-1 are the same model
        if not dry_run and gone:
            # First they are served no longer, so that no request meets a file that is missing.
            mark_pruned(lake, [model.id for model in gone], datetime.now(UTC))
            for model in gone:
                lake.delete(model.file.path)
    return gone


def _oldest(models: list[ReleasedModel], scheme: str, keep: int) -> list[ReleasedModel]:
    there = [model for model in models if model.scheme == scheme and not model.pruned]
    return there[: max(len(there) - keep, 0)]
