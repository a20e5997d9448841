import hashlib
import os
import pwd
import subprocess
import sys
import time
from pathlib import Path

import pytest
import wasmtime

from lumbung.googlesql import compiled

ANSWER = '(module (func (export "answer") (result i32) i32.const {}))'


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "lumbung" / "googlesql"


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "engine.wasm"
    path.write_bytes(wasmtime.wat2wasm(ANSWER.format(42)))
    return path


def answer(source: Path) -> int:
    engine = wasmtime.Engine(compiled.configuration())
    store = wasmtime.Store(engine)
    instance = wasmtime.Instance(store, compiled.module(engine, source), [])
    return instance.exports(store)["answer"](store)


def loaded(source: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """The answer, where compiling is an error."""
    with monkeypatch.context() as patch:
        patch.setattr(wasmtime.Module, "from_file", lambda *_: pytest.fail("compiled again"))
        return answer(source)


def test_it_is_compiled_once_and_kept_where_only_its_owner_can_read(source, cache, monkeypatch):
    assert answer(source) == loaded(source, monkeypatch) == 42
    (file,) = cache.iterdir()
    assert (cache.stat().st_mode & 0o777, file.stat().st_mode & 0o777) == (0o700, 0o600)


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: content[:-1] + bytes([content[-1] ^ 1]),
        lambda content: content[: len(content) // 2] + b"\0" * 64 + content[len(content) // 2 + 64 :],
    ],
    ids=["empty", "half", "a bit", "zeros"],
)
def test_a_corrupt_one_is_compiled_again(source, cache, damage, monkeypatch):
    answer(source)
    (file,) = cache.iterdir()
    content = file.read_bytes()
    file.write_bytes(damage(content))
    assert answer(source) == 42
    assert [path.read_bytes() for path in cache.iterdir()] == [content]
    assert loaded(source, monkeypatch) == 42


def test_one_that_wasmtime_refuses_is_compiled_again(source, cache, monkeypatch):
    answer(source)
    (file,) = cache.iterdir()
    foreign = b"for another machine"
    prefix = file.stem.rpartition("-")[0]
    file.rename(cache / f"{prefix}-{hashlib.sha256(foreign).hexdigest()[: compiled.DIGEST]}.cwasm").write_bytes(foreign)
    assert answer(source) == loaded(source, monkeypatch) == 42
    assert len(list(cache.iterdir())) == 1


def test_another_engine_or_version_is_compiled_apart(source, cache, monkeypatch):
    answer(source)
    source.write_bytes(wasmtime.wat2wasm(ANSWER.format(43)))
    assert answer(source) == 43
    monkeypatch.setattr(compiled, "version", lambda _: "0.0")
    assert answer(source) == 43
    assert len(list(cache.iterdir())) == 3  # other checkouts may use them


def test_what_no_version_has_used_for_a_week_is_deleted_when_a_new_one_is_kept(source, cache, monkeypatch):
    answer(source)
    (used,) = cache.iterdir()
    old, part = used.with_name("old-0.cwasm"), used.with_name("tmpkilled")
    same_version = used.with_name(f"{used.stem.rpartition('-')[0]}-{'0' * compiled.DIGEST}.cwasm")
    for path in (used, old, part, same_version):
        path.touch()
        os.utime(path, (time.time() - 8 * 86400,) * 2)
    new = used.with_name("new-0.cwasm")
    new.touch()
    compiled._keep(b"", cache, used.stem.rpartition("-")[0])
    assert {used, new, same_version} < {*cache.iterdir()}
    assert not old.exists()
    assert not part.exists()
    same_version.unlink()
    assert loaded(source, monkeypatch) == 42
    monkeypatch.setattr(compiled, "version", lambda _: "0.0")
    answer(source)
    assert used.exists()  # it was used just now


def test_where_there_is_no_home_it_is_compiled_each_time(source, monkeypatch):
    def unknown(number):
        raise KeyError(number)

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert compiled.folder() is None
    assert answer(source) == answer(source) == 42


@pytest.mark.parametrize("mode", [0o770, 0o707])
def test_what_others_can_write_is_neither_run_nor_written(source, cache, mode, monkeypatch):
    answer(source)
    (file,) = cache.iterdir()
    kept = file.stat().st_ino
    cache.chmod(mode)
    with pytest.raises(pytest.fail.Exception):
        loaded(source, monkeypatch)
    assert answer(source) == 42
    assert [path.stat().st_ino for path in cache.iterdir()] == [kept]


def test_where_nothing_can_be_kept_it_is_compiled_each_time(source, cache):
    cache.parent.parent.mkdir()
    cache.parent.write_text("a file in the way")
    assert answer(source) == answer(source) == 42


def test_processes_that_compile_at_once_keep_one_whole_form(source, cache, monkeypatch):
    script = (
        "import sys, wasmtime; from pathlib import Path; from lumbung.googlesql import compiled;"
        "compiled.module(wasmtime.Engine(compiled.configuration()), Path(sys.argv[1]))"
    )
    started = [subprocess.Popen([sys.executable, "-c", script, str(source)]) for _ in range(4)]
    assert [process.wait(60) for process in started] == [0] * 4
    assert len(list(cache.iterdir())) == 1
    assert loaded(source, monkeypatch) == 42
