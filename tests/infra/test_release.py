"""make package, release and deploy: a real git and a real shell; docker is a stand-in, and ssh runs commands here."""

import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from lumbung.core.settings import ROOT

# Notes each command; knows the images that this host's profiles need.
DOCKER = """#!/bin/sh
echo "docker $*" >>"$NOTES"
case "$*" in
  "compose config --images") printf 'lumbung-airflow\\npostgres:17\\nlumbung-airflow\\nlumbung-bigquery\\n' ;;
  login*) cat >>"$NOTES" ;;
esac
"""
# The host is a folder of this machine.
SSH = """#!/bin/sh
echo "ssh $*" >>"$NOTES"
for command; do :; done
cd "$HOST" && exec sh -c "$command"
"""
UV = """#!/bin/sh
echo "uv $*" >>"$NOTES"
"""
FILES = (
    *("docker-compose.yaml", ".env.example", "Makefile", "Dockerfile", ".gitignore"),
    *("infra/release.sh", "infra/deploy.sh", "infra/env.sh", "data-source/student.json"),
)
VARIABLES = {"REGISTRY": "registry.example.com/lumbung", "DEPLOY_HOST": "deployer@qa.example.com"}


class Checkout:
    def __init__(self, folder: Path) -> None:
        self.folder, self.host, self.notes = folder / "checkout", folder / "host", folder / "notes"
        programs = folder / "programs"
        for path in (self.folder, self.host, programs, self.folder / ".tools/bin"):
            path.mkdir(parents=True)
        for name, text in (("docker", DOCKER), ("ssh", SSH)):
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
        (self.folder / ".tools/bin/uv").write_text(UV)
        (self.folder / ".tools/bin/uv").chmod(0o755)
        self.environ = {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "NOTES": str(self.notes),
            "HOST": str(self.host),
            "HOME": str(folder),
            **{
                f"GIT_{who}_{what}": "test@example.com" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
            },
        }
        for name in FILES:
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_bytes((ROOT / name).read_bytes())
            (self.folder / name).chmod(0o755)
        self.git("init", "--quiet")
        self.first = self.commit()

    def git(self, *arguments: str) -> str:
        command = ["git", "-C", str(self.folder), *arguments]
        return subprocess.run(command, env=self.environ, check=True, capture_output=True, text=True).stdout

    def commit(self) -> str:
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "a commit")
        return self.git("rev-parse", "--short=12", "HEAD").strip()

    def call(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        self.notes.write_text("")
        command = [self.folder / "infra/release.sh", *arguments]
        environ = {**self.environ, **variables}
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=False, cwd=self.folder)

    def noted(self) -> list[str]:
        return self.notes.read_text().splitlines()


@pytest.fixture
def checkout(tmp_path):
    return Checkout(tmp_path)


@pytest.fixture
def ready(checkout):
    """The host has been set up."""
    (checkout.host / "lumbung").mkdir()
    (checkout.host / "lumbung/.env").write_text("SECRET=1\n")
    return checkout


def refusal(done):
    assert done.returncode == 1
    assert done.stderr.startswith("lumbung: ")
    return done.stderr


def test_what_is_missing_is_named_all_at_once(checkout):
    for task in ("release", "deploy"):
        assert "needs ENV=qa or ENV=prod" in refusal(checkout.call(task))
        assert "needs ENV=qa or ENV=prod" in refusal(checkout.call(task, "staging", **VARIABLES))
        assert f"make {task} needs REGISTRY DEPLOY_HOST; see docs/cookbooks/ci-pipelines.md" in refusal(
            checkout.call(task, "qa")
        )
        assert "needs DEPLOY_HOST;" in refusal(checkout.call(task, "qa", REGISTRY="r"))
        assert "there is no commit v9" in refusal(checkout.call(task, "qa", VERSION="v9", **VARIABLES))
    assert checkout.noted() == []


def test_a_package_is_the_same_files_and_bytes_each_time(checkout):
    (checkout.folder / "infra/new.sh").write_text("not committed")
    archives = []
    for _ in range(2):
        assert checkout.call("package").returncode == 0
        archives.append((checkout.folder / f"build/lumbung-{checkout.first}.tar.gz").read_bytes())
    assert archives[0] == archives[1]
    with tarfile.open(checkout.folder / f"build/lumbung-{checkout.first}.tar.gz") as archive:
        names = set(archive.getnames())
    assert {"docker-compose.yaml", ".env.example", "Makefile", "infra/env.sh", "data-source/student.json"} <= names
    assert not {"infra/new.sh", "Dockerfile", ".env"} & names
    assert checkout.noted() == ["uv build --quiet --wheel --offline --out-dir build"]


def test_a_release_builds_pushes_and_runs_on_the_host(ready):
    done = ready.call(
        "release", "qa", IMAGE_EXTRAS="azure", REGISTRY_LOGIN_USR="ci", REGISTRY_LOGIN_PSW="s3cr@t", **VARIABLES
    )
    assert done.returncode == 0, done.stderr
    assert f"qa runs {ready.first}" in done.stdout
    noted = [line for line in ready.noted() if not line.startswith("ssh")]
    registry, version = VARIABLES["REGISTRY"], ready.first
    built = [
        line
        for target in ("airflow", "bigquery", "spark")
        for line in (
            f"docker build --target {target} --build-arg EXTRAS=azure --tag {registry}/lumbung-{target}:{version} .",
            f"docker push {registry}/lumbung-{target}:{version}",
        )
    ]
    assert noted == [
        "docker login --username ci --password-stdin registry.example.com",
        *(f"s3cr@t{line}" if number == 0 else line for number, line in enumerate(built)),
        "docker compose config --images",
        f"docker pull --quiet {registry}/lumbung-airflow:{version}",
        f"docker tag {registry}/lumbung-airflow:{version} lumbung-airflow",
        f"docker pull --quiet {registry}/lumbung-bigquery:{version}",
        f"docker tag {registry}/lumbung-bigquery:{version} lumbung-bigquery",
        "docker compose up --detach --no-build --wait",
    ]
    folder = ready.host / "lumbung"
    assert (folder / ".env").read_text() == "SECRET=1\n"
    assert (folder / "docker-compose.yaml").read_bytes() == (ROOT / "docker-compose.yaml").read_bytes()
    assert (folder / "releases").read_text().startswith(f"{version} 20")
    assert not (folder / "release.tar.gz").exists()


def test_an_older_version_can_be_deployed_again_but_not_built(ready):
    (ready.folder / "docker-compose.yaml").write_text("name: changed\n")
    second = ready.commit()
    assert ready.call("deploy", "prod", **VARIABLES).returncode == 0
    assert (ready.host / "lumbung/docker-compose.yaml").read_text() == "name: changed\n"
    assert "VERSION is not what is checked out" in refusal(
        ready.call("release", "prod", VERSION=ready.first, **VARIABLES)
    )
    assert ready.call("deploy", "prod", VERSION=ready.first, **VARIABLES).returncode == 0
    assert (ready.host / "lumbung/docker-compose.yaml").read_bytes() == (ROOT / "docker-compose.yaml").read_bytes()
    assert not [line for line in ready.noted() if line.startswith(("docker build", "docker push"))]
    released = [line.split()[0] for line in (ready.host / "lumbung/releases").read_text().splitlines()]
    assert released == [second, ready.first]


def test_what_is_in_no_commit_is_not_released(ready):
    (ready.folder / "Makefile").write_text("changed")
    assert "uncommitted changes" in refusal(ready.call("release", "qa", **VARIABLES))
    assert ready.noted() == []


def test_a_host_without_settings_says_what_to_do(checkout):
    assert "there is no .env; run make env here" in refusal(checkout.call("deploy", "qa", **VARIABLES))
    assert (checkout.host / "lumbung/infra/env.sh").exists(), "which make env needs"
    assert not [line for line in checkout.noted() if line.startswith("docker")]


def test_a_version_of_qa_does_not_come_into_production(ready):
    assert ready.call("deploy", "prod", **VARIABLES).returncode == 0
    before = (ready.host / "lumbung/releases").read_text()
    assert "this is prod, not qa; nothing was changed" in refusal(ready.call("deploy", "qa", **VARIABLES))
    assert (ready.host / "lumbung/releases").read_text() == before
    assert not [line for line in ready.noted() if line.startswith("docker")]


def test_keys_are_in_files_that_only_this_user_reads_and_only_for_a_moment(ready, tmp_path):
    key = "-----BEGIN KEY-----\nabc\n-----END KEY-----"
    look = """for option; do case $option in */key) ls -l "$option"; cat "$option" ;; esac; done >"$NOTES.key"\n"""
    (tmp_path / "programs/ssh").write_text(SSH.replace("cd ", f"{look}cd "))
    done = ready.call("deploy", "qa", DEPLOY_KEY=key, DEPLOY_KNOWN_HOSTS="qa.example.com ssh-ed25519 AAAA", **VARIABLES)
    assert done.returncode == 0, done.stderr
    listed, _, content = Path(f"{ready.notes}.key").read_text().partition("\n")
    assert listed.startswith("-rw-------")
    assert content == f"{key}\n"
    (first, *_) = [line for line in ready.noted() if line.startswith("ssh")]
    assert "StrictHostKeyChecking=yes" in first
    path = Path(first.partition("-i ")[2].split()[0])
    assert not path.exists()
    assert "abc" not in done.stdout + done.stderr


@pytest.mark.parametrize("given", [{"DEPLOY_FOLDER": "a; rm -rf b"}, {"REGISTRY": "r/$(id)"}])
def test_nothing_else_gets_into_the_hosts_command_line(ready, given):
    assert "may hold letters, digits and . _ / : - only" in refusal(
        ready.call("deploy", "qa", **{**VARIABLES, **given})
    )
    assert ready.noted() == []
