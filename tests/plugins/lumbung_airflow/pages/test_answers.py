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
if "prints" in state:
    sys.exit(print(state["prints"]))
if state.get("problem"):
    print(json.dumps({"problem": {"what": "it is away", "where": "there", "remedy": "start it"}}))
elif state["signature"] == known:
    print(json.dumps({"same": True}))
else:
    print(json.dumps({"signature": state["signature"], "media_type": "text/plain", "facts": {}}))
    print(f"{name} {state['signature']} {options}", end=" " * state.get("more", 0))
"""
QUESTION = Question.of("report", raw=False)


class World:
    """A folder that tells the stand-in what to do, and says how often it ran."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.answers = Answers((sys.executable, "-c", STAND_IN, str(folder)))
        self.publish("1")

    def publish(self, signature: str, **more: object) -> None:
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
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(module, "READER_SECONDS", 600)  # a busy machine is waited for
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
        *(
            (fault, ("it could not be made", "report", "read the API server's log"))
            for fault in ({"crash": True}, {"prints": ""}, {"prints": "{"}, {"prints": "[]"}, {"prints": "{}"})
        ),
    ],
)
def test_where_there_is_no_newer_answer_the_last_one_says_so(
    world: World, fault: dict[str, object], says: tuple[str, str, str]
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


def test_a_process_that_cannot_be_started_leaves_the_last_answer(world: World) -> None:
    async def read() -> None:
        made = await world.answers.get(QUESTION)
        world.answers.command = ("/absent",)
        last = await world.answers.get(QUESTION)
        assert last.body == made.body
        assert last.problem
        assert last.problem.what == "it could not be made"

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


async def give_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be a reader who does not wait for an answer, which is still being made afterwards."""
    world.publish("1", wait=True)
    monkeypatch.setattr(module, "READER_SECONDS", 0.2)
    with pytest.raises(Problem, match="not there after 0 seconds"):
        await world.answers.get(QUESTION)
    await world.running(1)


def test_a_problem_that_comes_late_is_what_the_next_reader_gets(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def read() -> None:
        await give_up(world, monkeypatch)
        world.publish("1", problem=True)
        await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}), return_exceptions=True)
        with pytest.raises(Problem, match="it is away"):
            await world.answers.get(QUESTION)
        assert world.runs == 1
        # It is said once: who asks again may have repaired it.
        monkeypatch.setattr(module, "READER_SECONDS", 600)
        world.publish("2")
        assert bodies([await world.answers.get(QUESTION)]) == {"report 2"}

    asyncio.run(read())


def test_a_problem_that_comes_late_is_forgotten_when_an_answer_comes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def read() -> None:
        await give_up(world, monkeypatch)
        monkeypatch.setattr(module, "READER_SECONDS", 600)
        next_reader = asyncio.create_task(world.answers.get(QUESTION))
        await asyncio.sleep(0)
        world.publish("1", problem=True)
        while not world.answers._late_problems:
            await asyncio.sleep(0)
        world.publish("2")
        assert bodies([await next_reader]) == {"report 2"}
        assert (await world.answers.get(QUESTION)).problem is None

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


def test_what_nobody_waits_for_is_not_made(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "READER_SECONDS", 0.2)

    async def read() -> None:
        world.publish("1", wait=True)
        questions = [Question.of("drill", value=number) for number in range(module.QUEUED)]
        readers = [asyncio.create_task(world.answers.get(question)) for question in questions]
        outcomes = await asyncio.gather(*readers, return_exceptions=True)
        assert {outcome.is_late for outcome in outcomes} == {True}
        monkeypatch.setattr(module, "READER_SECONDS", 60)
        # Only the one that has begun goes on, and the report does not wait for it.
        report = asyncio.create_task(world.answers.get(QUESTION))
        await world.running(2)
        other = asyncio.create_task(world.answers.get(questions[-1]))
        world.publish("1")
        assert bodies(await asyncio.gather(report, other)) == {"report 1", "drill 1"}
        assert world.runs == 3

    asyncio.run(read())


def test_a_queue_that_is_long_takes_no_more(world: World) -> None:
    async def read() -> None:
        once = Question.of("drill", value="once")
        made = await world.answers.get(once)
        world.publish("2", wait=True)
        first = asyncio.create_task(world.answers.get(Question.of("drill", value="first")))
        await world.running(2)
        questions = [Question.of("drill", value=number) for number in range(module.QUEUED)]
        readers = [asyncio.create_task(world.answers.get(question)) for question in questions]
        await asyncio.sleep(0)
        with pytest.raises(Problem, match="too many answers are being made"):
            await world.answers.get(Question.of("drill", value="one more"))
        last = await world.answers.get(once)
        assert last.body == made.body
        assert last.problem
        report = asyncio.create_task(world.answers.get(QUESTION))
        await world.running(3)
        for reader in readers:
            reader.cancel()
        world.publish("2")
        assert bodies(await asyncio.gather(first, report)) == {"drill 2", "report 2"}
        assert (await world.answers.get(once)).problem is None

    asyncio.run(read())


def test_the_reader_who_came_last_says_what_changes(world: World) -> None:
    async def read() -> None:
        world.publish("1", wait=True)
        held = asyncio.create_task(world.answers.get(Question.of("run", run=1)))
        await world.running(1)
        question = Question.of("run", run=2)
        readers = [
            asyncio.create_task(world.answers.get(question, {"state": state})) for state in ("running", "success")
        ]
        await asyncio.sleep(0)
        world.publish("1")
        texts = [answer.body.decode() for answer in await asyncio.gather(*readers)]
        assert all('"state": "success"' in text for text in texts)
        await held

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
        assert len(world.answers._locks) == 0

    asyncio.run(read())


def test_a_large_answer_is_given_and_not_kept(world: World) -> None:
    async def read() -> None:
        small = await world.answers.get(QUESTION)
        world.publish("1", more=module.KEPT_BYTES_OF_ONE)
        large = Question.of("drill", csv=True)
        for _ in range(2):
            assert len((await world.answers.get(large)).body) > module.KEPT_BYTES_OF_ONE
        assert [kept.body for kept in world.answers._kept.values()] == [small.body]

    asyncio.run(read())


def test_a_process_finds_the_project_s_code() -> None:
    path = module.environ("report")["PYTHONPATH"].split(os.pathsep)
    assert (Path(path[0]) / "lumbung" / "report").is_dir()
    assert (Path(path[1]) / "lumbung_airflow" / "pages" / "answer.py").is_file()


def test_a_process_has_airflow_s_secrets_only_where_it_may_need_its_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = {"AIRFLOW__CORE__FERNET_KEY", "AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT", "VAULT_TOKEN"}
    needed = {"LUMBUNG_LAKE_URI", "AZURE_CLIENT_ID", "https_proxy", "SSL_CERT_FILE", "HOME", "TZ", "PYTHONUTF8"}
    for variable in secrets | needed:
        monkeypatch.setenv(variable, "1")
    machines = ("BIGQUERY_EMULATOR_HOST", "GOOGLE_APPLICATION_CREDENTIALS")
    for variable in machines:
        monkeypatch.delenv(variable, raising=False)
    assert module.environ("report").keys() >= secrets | needed
    assert module.environ("run").keys() & (secrets | needed) == needed
    for variable in machines:
        with monkeypatch.context() as patch:
            patch.setenv(variable, "1")
            assert module.environ("report").keys() & (secrets | needed | {variable}) == needed | {variable}
