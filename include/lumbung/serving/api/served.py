"""Which release is served, and the models of it: read from the lake while requests go on, switched in one step."""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import msgspec

from lumbung.core.errors import LumbungError
from lumbung.models import model_file
from lumbung.models.predict import Predictor
from lumbung.models.release import RELEASES, Release, ReleasedModel
from lumbung.serving.api.problems import Problem
from lumbung.storage.lake import Lake
from lumbung.storage.manifest import newest

log = logging.getLogger(__name__)

# Models besides the latest ones that stay in memory after they were asked for.
RECENT = 4
# A refused release is tried again after this: its files may have been restored.
RETRY_SECONDS = 30.0


@dataclass(frozen=True)
class Served:
    """A release and what answers by it; never changed, so a request that holds it is answered by it wholly.

    Attributes:
        release: the release.
        models: its models by id, and by `<scheme>-latest`.
        titles: of courses, by course_id.
        predictors: of the latest models, by key.
    """

    release: Release
    models: Mapping[str, ReleasedModel]
    titles: Mapping[str, str]
    predictors: Mapping[str, Predictor]

    def model(self, name: str) -> ReleasedModel:
        """A model by its id.

        Raises:
            Problem: there is none.
        """
        model = self.models.get(name)
        if model is None:
            raise Problem("model-not-found", "The release has no model of this id; GET /v1/models lists them.")
        return model


@dataclass
class Library:
    """The models of the newest release whose files are whole.

    Attributes:
        lake: where releases and models are.
        served: what requests are answered by; None: nothing was released yet.
        refused: generation of a newer release whose files are not whole.
        switches: how often another release was taken.
        clock: seconds; never goes back.
    """

    lake: Lake
    served: Served | None = None
    refused: int | None = None
    switches: int = 0
    clock: Callable[[], float] = time.monotonic
    _retry_at: float = 0.0
    _recent: OrderedDict[str, Predictor] = field(default_factory=OrderedDict)
    _loading: dict[str, asyncio.Task[Predictor]] = field(default_factory=dict)

    def ready(self) -> Served:
        """What requests are answered by.

        Raises:
            Problem: nothing was released yet.
        """
        if self.served is None:
            raise Problem(
                "not-ready",
                "No models are released yet: train some by lumbung models run.",
                headers=[(b"retry-after", b"5")],
            )
        return self.served

    def refresh(self) -> None:
        """Take the newest release if it is another one and its files are whole; else what is served stays.

        It reads files and builds predictors: run it beside the event loop, one at a time.
        """
        generation = self.generation
        names = self.lake.names(RELEASES, start=f"manifest-{generation + 1:06}")
        if not names or (self.refused and names[-1] == _name(self.refused) and self.clock() < self._retry_at):
            return
        refused: int | None = None

        def taken(release: Release) -> bool:
            nonlocal refused
            if release.generation <= generation:
                return True  # what is served
            try:
                self.served = self._load(release)
            except LumbungError as error:
                refused = max(refused or 0, release.generation)
                if refused != self.refused:
                    log.warning("release %d is refused, what was served before stays: %s", release.generation, error)
                return False
            self.switches += 1
            log.info("serving release %d", release.generation)
            return True

        newest(self.lake, RELEASES, Release, taken)
        self.refused, self._retry_at = refused, self.clock() + RETRY_SECONDS

    async def predictor(self, served: Served, model: ReleasedModel) -> Predictor:
        """What answers for a model; one that is not in memory is read from the lake.

        Raises:
            Problem: its file was deleted, or cannot be read.
        """
        if predictor := served.predictors.get(model.key):
            return predictor
        if model.pruned:
            raise Problem("model-pruned", f"The file of model {model.id} was deleted by lumbung models prune.")
        if predictor := self._recent.get(model.key):
            self._recent.move_to_end(model.key)
            return predictor
        if model.key not in self._loading:
            self._loading[model.key] = asyncio.create_task(asyncio.to_thread(self._read, model))
        try:
            # Shielded: others may wait for the same one, and a client that goes away must not take it from them.
            predictor = await asyncio.shield(self._loading[model.key])
        except LumbungError as error:
            log.warning("model %s cannot be read: %s", model.id, error)
            raise Problem(
                "not-ready", f"The file of model {model.id} cannot be read; the server's log says why."
            ) from error
        finally:
            self._loading.pop(model.key, None)
        self._recent[model.key] = predictor
        while len(self._recent) > RECENT:
            self._recent.popitem(last=False)
        return predictor

    @property
    def generation(self) -> int:
        """Of the release that is served; 0: none is."""
        return self.served.release.generation if self.served else 0

    @property
    def loaded(self) -> int:
        """How many models are in memory."""
        return len({*self._recent, *(self.served.predictors if self.served else ())})

    def _load(self, release: Release) -> Served:
        """A release with its latest models in memory; files of keys that were not served yet are checked, too."""
        models = {model.id: model for model in release.models}
        for scheme, name in release.latest.items():
            if name not in models:
                raise LumbungError("the release lacks its latest model", where=f"release {release.generation}, {name}")
            models[f"{scheme}-latest"] = models[name]
        before = self.served
        known = {model.key for model in before.release.models if not model.pruned} if before else set()
        latest = {models[name].key for name in release.latest.values()}
        predictors = {}
        for model in release.models:
            if model.key in latest:
                old = before.predictors.get(model.key) if before else None
                predictors[model.key] = old or self._recent.get(model.key) or self._read(model)
            elif before and model.key not in known and not model.pruned:
                self._read(model)
        return Served(release, models, self._titles(release), predictors)

    def _read(self, model: ReleasedModel) -> Predictor:
        where = self.lake.address(model.file.path)
        content = self.lake.read(model.file.path)
        if content is None:
            raise LumbungError(
                "the model's file is missing",
                where=where,
                remedy="delete the .json beside it, and train it again: lumbung models train",
            )
        if len(content) != model.file.bytes or hashlib.sha256(content).hexdigest() != model.file.sha256:
            raise LumbungError(
                "the model's file is not the one that was released (its sha256 differs)",
                where=where,
                remedy="delete it and the .json beside it, and train it again: lumbung models train",
            )
        return Predictor(model_file.read(content, where))

    def _titles(self, release: Release) -> Mapping[str, str]:
        if release.titles is None:
            return {}
        content = self.lake.read(release.titles)
        try:
            return msgspec.json.decode(content or b"", type=dict[str, str])
        except ValueError as error:
            raise LumbungError(
                "the titles of courses cannot be read",
                where=self.lake.address(release.titles),
                remedy="run again: lumbung models run",
            ) from error


def _name(generation: int) -> str:
    return f"manifest-{generation:06}.json"
