"""Answers by processes: shared by readers, bounded, kept, and the last good one where there is no newer one."""

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from lumbung_airflow.pages import answers as module
from lumbung_airflow.pages.answers import Answer, Answers, Problem, Question

# Stands in for `lumbung_airflow.pages.answer`: it notes that it runs, and does what the file `state` says.
STAND_IN = """
import json, os, pathlib, sys, time
folder = pathlib.Path(sys.argv[1])
name, options, known = sys.argv[2:]
(folder / f"run-{os.getpid()}").touch()
while (state := json.loads((folder / "state").read_text())).get("wait"):
    time.sleep(0.01)
if state.get("crash"):
    sys.exit("it broke")
if state.get("problem"):
    print(json.dumps({"problem": {"what": "it is away", "where": "there", "remedy": "start it"}}))
elif state["signature"] == known:
    print(json.dumps({"same": True}))
else:
    print(json.dumps({"signature": state["signature"], "media_type": "text/plain", "facts": {}}))
    print(f"{name} {state['signature']} {options}", end="")
"""
QUESTION = Question.of("report", raw=False)


class World:
    """A folder that tells the stand-in what to do, and says how often it ran."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.answers = Answers((sys.executable, "-c", STAND_IN, str(folder)))
        self.publish("1")

    def publish(self, signature: str, **more: bool) -> None:
        file = self.folder / "next"
        file.write_text(json.dumps({"signature": signature, **more}))
        file.replace(self.folder / "state")

    @property
    def runs(self) -> int:
        return len(list(self.folder.glob("run-*")))

    async def running(self, count: int) -> None:
        while self.runs < count:
            await asyncio.sleep(0.01)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def bodies(answers: Sequence[Answer]) -> set[str]:
    return {answer.body.decode().split(" {")[0] for answer in answers}


def test_readers_share_an_answer_that_is_not_older_than_they_are(world: World) -> None:
    async def read() -> None:
        world.publish("1", wait=True)
        first = asyncio.create_task(world.answers.get(QUESTION))
        await world.running(1)
        # It may have read what was there before these readers came: they share the next.
        others = [asyncio.create_task(world.answers.get(QUESTION)) for _ in range(60)]
        await asyncio.sleep(0)
        world.publish("2")
        assert bodies(await asyncio.gather(*others)) == {"report 2"}
        await first
        assert world.runs == 2

    asyncio.run(read())


def test_an_answer_is_kept_until_something_is_published(world: World) -> None:
    async def read() -> None:
        made = await world.answers.get(QUESTION)
        again = await world.answers.get(QUESTION)
        assert again.body == made.body
        assert again.made_at > made.made_at
        world.publish("2")
        assert bodies([await world.answers.get(QUESTION)]) == {"report 2"}

    asyncio.run(read())


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"problem": True}, ("it is away", "there", "start it")),
        ({"crash": True}, ("it could not be made", "report", "read the API server's log")),
    ],
)
def test_where_there_is_no_newer_answer_the_last_one_says_so(
    world: World, fault: dict[str, bool], says: tuple[str, str, str]
) -> None:
    async def read() -> None:
        world.publish("1", **fault)
        with pytest.raises(Problem) as problem:
            await world.answers.get(QUESTION)
        assert (problem.value.what, problem.value.where, problem.value.remedy) == says
        world.publish("1")
        made = await world.answers.get(QUESTION)
        world.publish("2", **fault)
        last = await world.answers.get(QUESTION)
        assert (last.body, last.made_at) == (made.body, made.made_at)
        assert last.problem
        assert last.problem.what == says[0]
        world.publish("2")
        assert (await world.answers.get(QUESTION)).problem is None

    asyncio.run(read())


def test_a_reader_does_not_wait_for_long_and_a_process_is_killed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "READER_SECONDS", 0.2)
    monkeypatch.setattr(module, "PROCESS_SECONDS", 1.0)

    async def read() -> None:
        world.publish("1", wait=True)
        with pytest.raises(Problem, match="not there after 0 seconds") as late:
            await world.answers.get(QUESTION)
        assert late.value.is_late
        await world.running(1)
        (process,) = [int(path.name.removeprefix("run-")) for path in world.folder.glob("run-*")]
        while Path(f"/proc/{process}").exists():
            await asyncio.sleep(0.05)
        # It is made by then, though nobody has waited for it.
        world.publish("1")
        while True:
            try:
                await world.answers.get(QUESTION)
            except Problem:
                continue
            break

    asyncio.run(read())


def test_few_processes_run_at_the_same_time(world: World) -> None:
    async def read() -> None:
        world.publish("1", wait=True)
        questions = [Question.of("report", number=number) for number in range(6)]
        readers = [asyncio.create_task(world.answers.get(question)) for question in questions]
        await world.running(module.PROCESSES)
        await asyncio.sleep(0.3)
        assert world.runs == module.PROCESSES
        # An answer from the lake alone is not held up by them.
        run = asyncio.create_task(world.answers.get(Question.of("run", run=1)))
        await world.running(module.PROCESSES + 1)
        world.publish("1")
        await asyncio.gather(run, *readers)
        assert world.runs == len(questions) + 1

    asyncio.run(read())


def test_what_is_kept_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_BYTES", 100)

    async def read() -> None:
        for number in range(10):
            await world.answers.get(Question.of("run", run=number))
        assert 1 <= len(world.answers._kept) < 10
        assert sum(len(kept.body) for kept in world.answers._kept.values()) <= 100
        world.publish("2", crash=True)
        for number in range(10, 20):
            with pytest.raises(Problem):
                await world.answers.get(Question.of("run", run=number))
        assert len(world.answers._locks) == len(world.answers._kept)

    asyncio.run(read())


def test_a_process_finds_the_project_s_code() -> None:
    path = module._environ()["PYTHONPATH"].split(os.pathsep)
    assert (Path(path[0]) / "lumbung" / "report").is_dir()
    assert (Path(path[1]) / "lumbung_airflow" / "pages" / "answer.py").is_file()
