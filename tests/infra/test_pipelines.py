"""Jenkinsfile and .github/workflows call targets of make that exist, nothing else; they name no host, key or user."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from lumbung.core.settings import ROOT

JENKINS = (ROOT / "Jenkinsfile").read_text()
WORKFLOWS = {path.name: path.read_text() for path in (ROOT / ".github/workflows").iterdir()}
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
# Sections and directives of Jenkins' declarative syntax, and the steps, that may open a block.
BLOCKS = {
    *("pipeline", "agent", "options", "stages", "stage", "steps", "when", "environment", "input", "expression"),
}
REQUIRE_ALL = "TESTS_REQUIRE_ALL"


def of_jenkins():
    """The commands of steps, without comments."""
    code = re.sub(r"^\s*//.*$", "", JENKINS, flags=re.MULTILINE)
    quoted = re.findall(r"^\s*(?:sh|bat|powershell|pwsh|script)\b\s*(.*)$", code, re.MULTILINE)
    assert all(re.fullmatch(r"'[^'\"$]+'", command) for command in quoted), quoted
    return [command.strip("'") for command in quoted]


def jobs():
    return [job for text in WORKFLOWS.values() for job in yaml.safe_load(text)["jobs"].values()]


def of_github():
    return [step["run"] for job in jobs() for step in job["steps"] if "run" in step]


def test_they_call_targets_of_make_that_exist_and_nothing_else():
    for command in (*of_jenkins(), *of_github()):
        match = re.fullmatch(r"make ([a-z-]+)(?: ENV=(?:qa|prod))?", command)
        assert match, command
        assert match[1] in TARGETS, command


def test_both_do_the_same_in_the_same_order():
    assert of_jenkins() == of_github()
    assert of_jenkins() == [
        *("make install", "make lint", "make lint-ci", "make test", "make check-schema", "make package"),
        *("make release ENV=qa", "make deploy ENV=prod"),
    ]


def test_production_waits_for_an_approval_of_what_is_on_main():
    stage = JENKINS[JENKINS.index("stage('Deploy to production')") :]
    assert re.search(r"branch 'main'\s+beforeInput true", stage)
    assert re.search(r"input \{\s+message '", stage)
    jobs = yaml.safe_load(WORKFLOWS["pipeline.yaml"])["jobs"]
    assert (jobs["release"]["environment"], jobs["deploy"]["environment"]) == ("qa", "production")
    assert (jobs["release"]["needs"], jobs["deploy"]["needs"]) == ("test", "release")
    assert jobs["release"]["if"] == "github.event_name == 'push'"


def test_a_test_that_finds_a_tool_missing_fails_there():
    stage = JENKINS[JENKINS.index("stage('Test')") : JENKINS.index("stage('Schema')")]
    assert f"{REQUIRE_ALL} = '1'" in stage
    (step,) = (step for job in jobs() for step in job["steps"] if step.get("run") == "make test")
    assert step["env"] == {REQUIRE_ALL: "1"}


def test_credentials_come_by_their_ids():
    assigned = re.findall(r"^\s*([A-Z_]+) = (.*)$", JENKINS, re.MULTILINE)
    assert len(assigned) >= 12
    for name, value in assigned:
        if name == REQUIRE_ALL:
            continue
        assert re.fullmatch(r"credentials\('lumbung-[a-z-]+'\)", value), name
    for job in jobs():
        for environ in (job.get("env", {}), *(step.get("env", {}) for step in job["steps"])):
            for name, value in environ.items():
                if name == REQUIRE_ALL:
                    continue
                assert re.fullmatch(r"\$\{\{ (vars|secrets)\.[A-Z_]+ \}\}", value), name


@pytest.mark.parametrize("text", [JENKINS, *WORKFLOWS.values()], ids=["Jenkinsfile", *WORKFLOWS])
def test_no_host_is_in_them_and_nothing_that_changes_by_itself(text):
    assert not re.search(r"\w+://|\d+\.\d+\.\d+\.\d+", text)
    assert not re.search(r"\b[\w-]+\.(com|net|org|io|id)\b", text)
    assert "latest" not in text


def test_actions_are_pinned_by_commit():
    uses = re.findall(r"uses: (.*)", "".join(WORKFLOWS.values()))
    assert len(uses) >= 4
    for action in uses:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", action), action
    assert {job["runs-on"] for job in jobs()} == {"ubuntu-24.04"}


def test_blocks_of_the_jenkinsfile_are_of_the_declarative_syntax():
    """npm-groovy-lint takes any Groovy, also a misspelt section; Jenkins' own validator cannot be had here."""
    opened = re.findall(r"(\w+)(?:\([^()]*\))? \{", re.sub(r"^\s*//.*$", "", JENKINS, flags=re.MULTILINE))
    assert set(opened) <= BLOCKS
    assert opened[0] == "pipeline"
    names = re.findall(r"stage\('([^']+)'\)", JENKINS)
    assert len(names) == len(set(names))


@pytest.fixture
def checkout(tmp_path, missing):
    """The files that `make lint-ci` reads, with this checkout's tools."""
    for name in (".tools-npm", ".tools-go"):
        if not (ROOT / name).exists():
            missing(f"{name} (make tools)")
        (tmp_path / name).symlink_to(ROOT / name)
    for name in ("infra/lint-ci.sh", "infra/tools.sh", "Jenkinsfile", ".github/workflows/pipeline.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "requirements", tmp_path / "requirements")
    return tmp_path


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        (
            ".github/workflows/pipeline.yaml",
            "runs-on: ubuntu-24.04",
            "runs-on: ubuntu-1",
            'label "ubuntu-1" is unknown',
        ),
        (".github/workflows/pipeline.yaml", "needs: test", "needs: tests", 'needs job "tests" which does not exist'),
        ("Jenkinsfile", "stage('Build') {", "stage('Build' {", "NglParseError"),
    ],
)
def test_a_fault_is_found(checkout: Path, file, old, new, message):
    path = checkout / file
    path.write_text(path.read_text().replace(old, new, 1))
    done = subprocess.run([checkout / "infra/lint-ci.sh"], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert message in done.stdout + done.stderr
