"""Keys: of the settings, of a file that changes, or one that is made; and how many requests each may make."""

import hashlib
import os
import stat
import time
from pathlib import Path

import pytest
from pydantic import SecretStr

from lumbung.core.errors import LumbungError, SettingError
from lumbung.core.setting_groups import Api
from lumbung.serving.api.keys import Keys, Rates, digest, open_keys
from lumbung.serving.api.problems import Problem
from support.model_api import KEY, content


def line(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def lets_in(keys: Keys, key: str) -> bool:
    try:
        return keys.check(f"Bearer {key}".encode()) == digest(key.encode())
    except Problem as problem:
        assert problem.status == 401
        return False


def test_keys_of_the_settings(tmp_path: Path):
    keys = open_keys(Api(keys=SecretStr("alpha, beta")), tmp_path, pytest.fail)
    assert [lets_in(keys, key) for key in ("alpha", "beta", "alpha, beta", "", "c")] == [
        True,
        True,
        False,
        False,
        False,
    ]
    assert not list(tmp_path.iterdir())
    kept = str(vars(keys)) + repr(keys)
    assert "alpha" not in kept
    assert "beta" not in kept


@pytest.mark.parametrize("value", [",", "one,", "one two", "kunci-é"])
def test_settings_without_a_key(tmp_path: Path, value: str):
    with pytest.raises(SettingError, match="LUMBUNG_API_KEYS") as error:
        open_keys(Api(keys=SecretStr(value)), tmp_path, pytest.fail)
    assert "two" not in str(error.value)


def test_a_file_of_keys(tmp_path: Path):
    file = tmp_path / "keys"
    file.write_text(f"# whose keys\n\n{line('one')}\n{line('two').upper()}  -\n")
    keys = open_keys(Api(keys=SecretStr("fixed"), keys_file=file), tmp_path, pytest.fail)
    assert all(lets_in(keys, key) for key in ("one", "two", "fixed"))
    assert not lets_in(keys, line("one"))


@pytest.mark.parametrize(
    ("text", "what"),
    [("one\n", "line 1"), ("\n" + "a" * 63, "line 2"), ("# none\n", "no key"), (None, "cannot be read")],
)
def test_a_file_without_keys_is_refused_at_the_start(tmp_path: Path, text: str | None, what: str):
    file = tmp_path / "keys"
    if text is not None:
        file.write_text(text)
    with pytest.raises(SettingError, match=what) as error:
        open_keys(Api(keys_file=file), tmp_path, pytest.fail)
    assert str(file) in str(error.value)


def test_a_file_that_changes(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    file, other = tmp_path / "keys", tmp_path / "other"
    file.write_text(line("one"))
    keys = Keys([], file)

    def known() -> list[str]:
        keys.reload()
        return [key for key in ("one", "two", "three", "four") if lets_in(keys, key)]

    assert known() == ["one"]
    file.write_text(f"{line('one')}\n{line('two')}\n")
    assert known() == ["one", "two"]
    # Another file of the same size and time takes its place.
    other.write_text(f"{line('one')}\n{line('three')}\n")
    os.utime(other, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns))
    other.replace(file)
    assert known() == ["one", "three"]
    # Missing, empty, half-written, unreadable: the keys stay, and the log says so once each.
    file.unlink()
    for wrong in (None, "", f"{line('four')}\n{line('two')[:20]}", "\xff"):
        if wrong is not None:
            file.write_bytes(wrong.encode("latin-1"))
        caplog.clear()
        assert known() == ["one", "three"]
        assert known() == ["one", "three"]
        assert [str(file) in record.message for record in caplog.records] == [True]
        assert "The keys read before stay." in caplog.text
    file.write_text(line("four"))
    assert known() == ["four"]


def test_a_key_is_made_once(tmp_path: Path):
    said: list[str] = []
    made = [open_keys(Api(), tmp_path / "home", said.append) for _ in range(2)]
    file = tmp_path / "home" / "api-key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["api-key"]
    key = file.read_text().strip()
    assert len(key) >= 40
    assert all(lets_in(keys, key) for keys in made)
    assert said == [f"The key of the API is in {file}"] * 2


def test_a_home_that_cannot_be_written(tmp_path: Path):
    (tmp_path / "home").write_text("a file")
    with pytest.raises(LumbungError, match="LUMBUNG_API_KEYS"):
        open_keys(Api(), tmp_path / "home", pytest.fail)


def test_an_emptied_key_lets_nobody_in(tmp_path: Path):
    (tmp_path / "api-key").write_text("\n")
    with pytest.raises(LumbungError, match="empty"):
        open_keys(Api(), tmp_path, pytest.fail)


def test_rate():
    now = [100.0]
    rates = Rates(4, clock=lambda: now[0])

    def taken(key: bytes, tries: int) -> int:
        count = 0
        for _ in range(tries):
            try:
                rates.take(key)
                count += 1
            except Problem as problem:
                assert problem.status == 429
                assert dict(problem.headers)[b"retry-after"] == b"1"
        return count

    assert taken(b"one", 10) == 4
    assert taken(b"two", 2) == 2  # each key has its own
    now[0] += 0.5
    assert taken(b"one", 10) == 2
    now[0] += 1000
    assert taken(b"one", 10) == 4
    # Being refused costs nothing: it comes back at the same pace.
    for _ in range(40):
        now[0] += 0.025
        taken(b"one", 1)
    now[0] += 0.25
    assert taken(b"one", 10) >= 1


def test_a_slow_rate_says_when_to_come_back():
    rates = Rates(0.1, clock=lambda: 5.0)
    rates.take(b"one")
    with pytest.raises(Problem) as problem:
        rates.take(b"one")
    assert 10 <= int(dict(problem.value.headers)[b"retry-after"]) <= 11


def test_a_server_that_makes_its_key(serve):
    server, _ = serve(LUMBUNG_API_KEYS="")
    assert server.get("/v1/models").status_code == 401
    server.key = (server.home / "api-key").read_text().strip()
    assert server.get("/v1/models").status_code == 503
    log = server.log.read_text()
    assert str(server.home / "api-key") in log
    assert server.key not in log


def test_a_server_with_a_file_of_keys_and_a_rate(serve, tmp_path: Path):
    file = tmp_path / "keys"
    file.write_text(line(KEY))
    server, shelf = serve(LUMBUNG_API_KEYS_FILE=str(file), LUMBUNG_API_RATE="20")
    shelf.release(shelf.add("b-1", content(4)))
    server.wait_for(1)
    file.write_text(line("new"))
    server.until(lambda: server.get("/v1/models").status_code == 401)
    file.unlink()
    server.key = "new"
    server.until(lambda: "The keys read before stay" in server.log.read_text())
    time.sleep(1)
    answers = [server.get("/v1/models") for _ in range(60)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert refused
    assert {answer.status_code for answer in answers} == {200, 429}
    assert refused[0].json()["type"] == "urn:lumbung:problem:too-many-requests"
    assert int(refused[0].headers["retry-after"]) == 1
    assert server.get("/healthz").status_code == 200
