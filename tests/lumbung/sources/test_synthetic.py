"""Folders of synthetic source files: all of them are replaced, or none."""

import pytest

from lumbung.core.errors import LumbungError
from lumbung.sources.synthetic import replaced

NAMES = ("a.csv", "b.csv")


def write(folder, text):
    with replaced(folder, NAMES, room="4 bytes a row") as parts:
        for part in parts.values():
            part.write_text(text)
            assert part.parent == folder


def contents(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_all_files_are_replaced_at_the_end(tmp_path):
    folder = tmp_path / "new" / "folder"
    write(folder, "1")
    assert contents(folder) == {"a.csv": "1", "b.csv": "1"}
    write(folder, "2")
    assert contents(folder) == {"a.csv": "2", "b.csv": "2"}


def test_a_failure_leaves_what_was_there(tmp_path):
    write(tmp_path, "1")
    with pytest.raises(KeyError), replaced(tmp_path, NAMES, room="") as parts:
        parts["a.csv"].write_text("2")
        raise KeyError
    assert contents(tmp_path) == {"a.csv": "1", "b.csv": "1"}


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(LumbungError, match=r"room for 4 bytes a row"):
        write(tmp_path / "file", "1")


def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "mine.txt").write_text("1")
    with pytest.raises(LumbungError, match=r"holds other files: mine\.txt"):
        write(tmp_path, "1")
    assert contents(tmp_path) == {"mine.txt": "1"}
