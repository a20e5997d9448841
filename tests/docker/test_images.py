"""The images: what is in them, and what is not."""

import subprocess
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from support.docker_engine import say
from support.docker_services import PLANTED

INSTALLED = """
from importlib.metadata import distributions
print(*sorted(f"{one.name}=={one.version}" for one in distributions()))
"""
# What a compiler or a build leaves in an image, and what would let a process become root.
UNWANTED = "command -v gcc cc g++ clang make uv; test ! -e /usr/bin/gcc"

each = pytest.mark.parametrize("target", ["airflow", "bigquery", "spark"])
# A line of a file that the image holds.
KNOWN = {
    "airflow": "/requirements",
    "bigquery": "It runs in an environment of its own",
    "spark": "Licensed to the Apache Software Foundation",
}


def inside(stack, image, *command):
    options = ["--rm", "--network", "none", "--read-only", "--entrypoint", command[0]]
    return stack.engine.docker("run", *options, image, *command[1:], check=False)


@each
def test_it_holds_what_is_locked_and_nothing_else(stack, images, target):
    text = (stack.checkout / "requirements" / f"{target}.txt").read_text().replace("\\\n", "")
    lines = [line.split(" --hash")[0] for line in text.splitlines() if line and line[0].isalnum()]
    locked = [
        requirement
        for requirement in map(Requirement, lines)
        if not requirement.marker or requirement.marker.evaluate()
    ]
    assert len(locked) > 5
    installed = inside(stack, images[target], "python", "-c", INSTALLED).stdout.split()
    assert {(canonicalize_name(name), version) for name, version in (line.split("==") for line in installed)} == {
        (canonicalize_name(requirement.name), str(requirement.specifier).removeprefix("==")) for requirement in locked
    }


@each
def test_its_user_is_not_root_and_nothing_builds_in_it(stack, images, target):
    assert inside(stack, images[target], "id", "-u").stdout.strip() == "50000"
    assert inside(stack, images[target], "sh", "-c", UNWANTED).stdout == ""


def test_any_user_may_use_it(stack, images):
    program = "touch $LUMBUNG_HOME/x $AIRFLOW_HOME/y && python -c 'import getpass; print(getpass.getuser())'"
    done = stack.engine.docker("run", "--rm", "--user", "12345:0", images["airflow"], "sh", "-c", program)
    assert done.stdout.strip() == "airflow"


@each
def test_no_secret_is_in_any_layer(stack, images, target, tmp_path):
    image = images[target]
    secrets = [*stack.secrets.values(), *PLANTED.values()]
    history = stack.engine.docker("history", "--no-trunc", image).stdout
    config = stack.engine.docker("image", "inspect", image).stdout
    assert not [secret for secret in secrets if secret in history + config]
    # The search finds what is there.
    for pattern, expected in (("\n".join(secrets), False), (KNOWN[target], True)):
        wanted = tmp_path / "patterns"
        wanted.write_text(pattern + "\n")
        assert layers_have(stack, image, wanted) is expected


def layers_have(stack, image: str, patterns: Path) -> bool:
    """Whether any layer of an image has one of the texts, also in a file that a later layer removes."""
    with subprocess.Popen(["docker", "save", image], env=stack.environ, stdout=subprocess.PIPE) as saved:
        search = subprocess.run(["grep", "-a", "-c", "-F", "-f", patterns], stdin=saved.stdout, capture_output=True)
    assert search.returncode in (0, 1), search.stderr
    return search.returncode == 0


def test_the_legacy_builder_builds_it_too(stack, images):
    # One target is enough: the other has no other kinds of instructions, and takes minutes.
    kinds = {"RUN --", "COPY --chmod", "COPY --link", "ADD", "<<"}
    assert not [kind for kind in kinds if kind in (stack.checkout / "Dockerfile").read_text()], "BuildKit's alone"
    options = ["--target", "bigquery", "--tag", "lumbung-legacy-bigquery"]
    stack.engine.docker("build", *options, stack.checkout, env={"DOCKER_BUILDKIT": "0"})


def test_images_stay_below_a_size(stack, images):
    for image in images.values():
        size = int(stack.engine.docker("image", "inspect", "--format", "{{.Size}}", image).stdout)
        say(f"{image}: {size / 1e6:,.0f} MB")
        assert size < 2.2e9
