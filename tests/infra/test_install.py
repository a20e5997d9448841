"""What `make install` does with the environments of a checkout that was moved or copied; uv is a stand-in."""

import shutil
import subprocess
from pathlib import Path

import pytest

from lumbung.core.settings import ROOT

# Makes environments as uv does, as far as the script looks at them, and notes what it was asked for.
UV = """#!/bin/sh
echo "$1" >>"$(dirname "$0")/../../asked"
[ "$1" = venv ] || exit 0
for folder; do :; done
mkdir -p "$folder/bin"
ln -sf /bin/true "$folder/bin/python"
echo "VIRTUAL_ENV='$PWD/$folder'" >"$folder/bin/activate"
"""
LOCKS = ("airflow", "azure", "dev", "bigquery", "spark", "uv")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "a checkout"
    for name in ("infra", "requirements", ".tools/bin"):
        (folder / name).mkdir(parents=True)
    for name in ("infra/install.sh", "pyproject.toml", *(f"requirements/{lock}.txt" for lock in LOCKS)):
        shutil.copy(ROOT / name, folder / name)
    (folder / ".tools/bin/uv").write_text(UV)
    (folder / ".tools/bin/uv").chmod(0o755)
    stamp = "cat requirements/uv.txt pyproject.toml infra/install.sh | cksum > .tools/.installed"
    subprocess.run(["sh", "-c", stamp], cwd=folder, check=True)
    return folder


def asked(checkout: Path, *arguments: str) -> list[str]:
    """Install, and return what uv was asked for."""
    (checkout / "asked").unlink(missing_ok=True)
    subprocess.run([checkout / "infra/install.sh", *arguments], check=True, capture_output=True)
    return (checkout / "asked").read_text().split() if (checkout / "asked").exists() else []


ALL = ["venv", "pip", "pip", "venv", "pip"]


def test_environments_are_made_once(checkout: Path) -> None:
    assert asked(checkout) == ALL
    assert asked(checkout) == []


@pytest.mark.parametrize("is_copy", [True, False], ids=["copied", "moved"])
def test_environments_of_another_path_are_made_again(checkout: Path, is_copy: bool) -> None:
    asked(checkout)
    other = checkout.with_name("other")
    if is_copy:
        shutil.copytree(checkout, other, symlinks=True)
    else:
        checkout.rename(other)
    assert asked(other) == ALL
    assert asked(other) == []


def test_a_link_to_a_checkout_is_the_checkout(checkout: Path) -> None:
    asked(checkout)
    link = checkout.with_name("link")
    link.symlink_to(checkout)
    assert asked(link) == []


def test_what_a_lake_on_azure_needs_stays_once_it_is_asked_for(checkout: Path) -> None:
    asked(checkout)
    assert asked(checkout, "azure") == ["pip"]
    assert asked(checkout, "azure") == asked(checkout) == []
    with (checkout / "requirements/azure.txt").open("a") as lock:
        lock.write("# another version\n")
    assert asked(checkout) == ["pip"]
    moved = checkout.rename(checkout.with_name("moved"))
    assert asked(moved) == [*ALL[:3], "pip", *ALL[3:]]
    assert asked(moved) == []
