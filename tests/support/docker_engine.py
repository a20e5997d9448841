"""A Docker engine with Compose for the tests: the one that runs, or one of our own, made of Debian's packages.

Our own keeps what is slow to make in a cache folder: Debian's tree, the programs, the images and their layers.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lumbung.local.kafka import jars

ROOT = Path(__file__).parents[2]
STANDINS = ROOT / "tests" / "docker" / "standins"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lumbung" / "docker"
# The certificates that this machine trusts beyond the usual ones; a stand-in trusts them, too.
CERTIFICATES = Path("/usr/local/share/ca-certificates")
SUITE = "trixie"  # what the official images are made of; an older Debian has no Compose
PROGRAMS = ("docker.io", "docker-cli", "containerd", "docker-compose", "docker-buildx", "tini")
# Of the machine's own release: runc needs a C library that an older one does not have.
HELPERS = ("debootstrap", "iptables", "runc")
BASE = "lumbung-test-debian"


def say(text: str) -> None:
    """Print what is going on."""
    print(f"docker: {text}", flush=True)  # noqa: T201


def run(*command: str | Path, **options) -> subprocess.CompletedProcess[str]:
    """Run a command; when it fails, so does the test, with its output."""
    check = options.pop("check", True)
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if check and done.returncode:
        output = f"{done.stdout[-6000:]}\n{done.stderr[-6000:]}"
        raise AssertionError(f"{' '.join(map(str, command))}: {done.returncode}\n{output}")
    return done


class Engine:
    """A running Docker engine.

    Args:
        environ: the environment that reaches it.
        own: whether the tests started it, so that nobody else's images are in it.
    """

    def __init__(self, environ: dict[str, str], *, own: bool) -> None:
        self.environ, self.own = environ, own

    def docker(self, *arguments: str | Path, **options) -> subprocess.CompletedProcess[str]:
        """Run `docker`; options as `run`'s, and `env` is added to."""
        return run("docker", *arguments, env=self.environ | options.pop("env", {}), **options)

    def have(self, image: str) -> None:
        """Have an image: the official one or, where none can be pulled into an engine of our own, a stand-in."""
        name = re.split("[:@]", image)[0]
        present = self.docker("image", "inspect", "--format", '{{index .Config.Labels "standin"}}', image, check=False)
        if present.returncode == 0 and present.stdout.strip() in ("", _fingerprint(name)):
            return
        pull = self.docker("pull", "--quiet", image, check=False)
        if pull.returncode == 0:
            return
        if not self.own:
            raise AssertionError(f"{image} cannot be pulled: {pull.stderr.strip()}")
        say(f"{image} cannot be pulled; making a stand-in of Debian's packages under that name")
        self._have_base()
        with tempfile.TemporaryDirectory() as context:
            shutil.copytree(STANDINS / name, context, dirs_exist_ok=True)
            (Path(context) / "certificates").mkdir()
            for certificate in CERTIFICATES.glob("*.crt"):
                shutil.copy(certificate, Path(context) / "certificates")
            if name == "apache/kafka":
                shutil.copytree(jars(), Path(context, "libs"))
            if name == "apicurio/apicurio-registry":
                _unpack_registry(image.split(":")[1], Path(context, "app"))
            label = f"standin={_fingerprint(name)}"
            self.docker("build", "--pull=false", "--label", label, "--tag", image, context)

    def _have_base(self) -> None:
        if self.docker("image", "inspect", BASE, check=False).returncode == 0:
            return
        left_out = ("var/lib/apt/lists", "var/cache/apt", "usr/share/doc", "usr/share/locale", "tmp")
        command = ["tar", "-C", _tree(), *(f"--exclude=./{folder}/*" for folder in left_out), "-c", "."]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as tar:
            self.docker("import", "-", BASE, stdin=tar.stdout)


def _unpack_registry(version: str, folder: Path) -> None:
    artifact = f"io.apicurio:apicurio-registry-app:{version}:tar.gz:all"
    with tempfile.TemporaryDirectory() as fetched:
        run("mvn", "-B", "-q", "dependency:copy", f"-Dartifact={artifact}", f"-DoutputDirectory={fetched}", cwd=fetched)
        (archive,) = Path(fetched).glob("*.tar.gz")
        shutil.unpack_archive(archive, folder, filter="data")


def _fingerprint(name: str) -> str:
    digest = hashlib.sha256()
    for file in sorted([*(STANDINS / name).glob("*"), *CERTIFICATES.glob("*.crt")], key=lambda path: path.name):
        digest.update(file.read_bytes())
    return digest.hexdigest()[:12]


@contextmanager
def running() -> Iterator[Engine | None]:
    """The engine that runs here, else one of our own until the end; None where neither can be."""
    given = dict(os.environ)
    if shutil.which("docker") and _works(given):
        yield Engine(given, own=False)
    elif os.geteuid() == 0 and shutil.which("apt-get"):
        with _own() as engine:
            yield engine
    else:
        yield None


def _works(environ: dict[str, str]) -> bool:
    commands = (["docker", "info"], ["docker", "compose", "version"])
    return all(run(*command, env=environ, check=False).returncode == 0 for command in commands)


@contextmanager
def _own() -> Iterator[Engine]:
    programs = _programs()
    with tempfile.TemporaryDirectory(prefix="lumbung-docker-") as folder:
        socket, log = f"unix://{folder}/docker.sock", Path(folder, "dockerd.log")
        path = os.pathsep.join([f"{programs}/usr/bin", f"{programs}/usr/sbin", os.environ["PATH"]])
        environ = os.environ | {"PATH": path, "DOCKER_HOST": socket, "DOCKER_CONFIG": str(programs / "config")}
        say(f"no engine runs; starting one, its data in {CACHE}")
        options = ["--data-root", str(CACHE / "data"), "--exec-root", f"{folder}/exec", "--pidfile", f"{folder}/pid"]
        with log.open("wb") as output:
            daemon = subprocess.Popen(
                [programs / "usr/sbin/dockerd", *options, "-H", socket], env=environ, stdout=output, stderr=output
            )
        try:
            deadline = time.monotonic() + 60
            while not _works(environ):
                if daemon.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(f"dockerd does not start:\n{log.read_text()[-5000:]}")
                time.sleep(0.2)
            yield Engine(environ, own=True)
        finally:
            daemon.terminate()
            daemon.wait(60)


def _tree() -> Path:
    """Debian's smallest tree."""
    tree = CACHE / SUITE
    if not tree.exists():
        say(f"making Debian's tree in {tree}")
        part = tree.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        run("debootstrap", "--variant=minbase", SUITE, part)
        part.rename(tree)
    return tree


def _programs() -> Path:
    """Docker's programs, unpacked from Debian's packages."""
    if not all(map(shutil.which, HELPERS)):
        say(f"installing {', '.join(HELPERS)}")
        run("apt-get", "update", "-qq")
        install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *HELPERS]
        run(*install, env=os.environ | {"DEBIAN_FRONTEND": "noninteractive"})
    programs = CACHE / "programs"
    if not programs.exists():
        tree, part = _tree(), programs.with_suffix(".part")
        say("fetching Docker's programs")
        shutil.rmtree(part, ignore_errors=True)
        downloads = tree / "tmp" / "packages"
        downloads.mkdir(exist_ok=True)
        shutil.copy("/etc/resolv.conf", tree / "etc" / "resolv.conf")
        fetch = f"apt-get update -qq && cd /tmp/packages && apt-get download -qq {' '.join(PROGRAMS)}"
        run("chroot", tree, "sh", "-c", fetch)
        for package in downloads.iterdir():
            run("dpkg", "-x", package, part)
        shutil.rmtree(downloads)
        plugins = part / "config" / "cli-plugins"
        plugins.mkdir(parents=True)
        for plugin in (part / "usr/libexec/docker/cli-plugins").iterdir():
            shutil.move(plugin, plugins)
        part.rename(programs)
    return programs
