"""What a cluster gets of this project: the zip and the main file."""

import subprocess
import sys
import zipfile

from lumbung.spark import package


def test_the_package_is_the_same_bytes_each_time(tmp_path):
    first, second = (package.build(tmp_path / name / "build") for name in "ab")
    assert [file.name for file in first] == ["lumbung.zip", "job.py"]
    assert [file.read_bytes() for file in first] == [file.read_bytes() for file in second]
    with zipfile.ZipFile(first[0]) as archive:
        assert {(entry.date_time[0], entry.create_system) for entry in archive.infolist()} == {(1980, 3)}


def test_every_module_of_the_package_is_imported_from_it_alone(tmp_path):
    zipped, _ = package.build(tmp_path)
    names = [f"lumbung/{name}".removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in package.OURS]
    program = (
        "import importlib, sys\n"
        f"sys.path[:0] = [{str(zipped)!r}]\n"
        f"for name in {names}: assert {zipped.name!r} in importlib.import_module(name).__file__, name\n"
    )
    # -S: neither this project nor its environment's start-up; then the folder of installed packages by hand.
    packages = next(path for path in sys.path if path.endswith("site-packages"))
    command = [sys.executable, "-S", "-P", "-c", f"import sys; sys.path += [{packages!r}]\n{program}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
