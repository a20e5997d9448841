"""What the doctor says of models that are served."""

from datetime import UTC, datetime

import pytest

from lumbung.cli.doctor.models import check
from lumbung.core.errors import SettingError
from lumbung.core.settings import Settings
from lumbung.models.release import Release, ReleasedModel, activate
from lumbung.storage.lake import open_lake
from lumbung.storage.manifest import DataFile


@pytest.fixture
def settings(tmp_path):
    return Settings.of(home=tmp_path / "home")


def findings(settings):
    return {finding.name: finding for finding in check(settings)}


def released(settings):
    """A release of one model; gives the path of its file, which is not there."""
    path = "models/synthetic/0123456789abcdef.npz"
    model = ReleasedModel(
        id="b-1",
        scheme="b",
        number=1,
        key="0123456789abcdef",
        file=DataFile(path=path, rows=10, bytes=4, sha256="0"),
        batches=[1],
        kinds=["recommendation"],
        basis="als",
    )
    release = Release(generation=0, by="count:10", models=[model], latest={}, created_at=datetime.now(UTC))
    activate(open_lake(settings), release)
    return path


def test_nothing_served_is_no_fault(settings):
    seen = findings(settings)
    assert seen["models"].ok
    assert "nothing is served" in seen["models"].found
    assert str(settings.home / "api-key") in seen["API keys"].found


def test_a_file_that_is_gone_is_named(settings):
    path = released(settings)
    seen = findings(settings)["models"]
    assert not seen.ok
    assert path in seen.found
    open_lake(settings).write(path, b"file")
    seen = findings(settings)["models"]
    assert seen.ok
    assert "latest: b-1" in seen.found


def test_a_file_of_keys_is_read(settings, tmp_path):
    file = tmp_path / "keys"
    file.write_text("no checksum\n")
    with pytest.raises(SettingError, match="sha256"):
        findings(settings.replace(api_keys_file=file))
    file.write_text("0" * 64 + "\n")
    assert findings(settings.replace(api_keys_file=file))["API keys"].ok
