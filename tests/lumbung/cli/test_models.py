"""Options of `lumbung models`: what is wrong is said before anything is started or sent."""

import pytest
from typer.testing import CliRunner

from lumbung.cli.models import app
from lumbung.core.errors import LumbungError


@pytest.fixture(autouse=True)
def nothing_starts(monkeypatch, tmp_path):
    monkeypatch.setenv("LUMBUNG_HOME", str(tmp_path / "home"))

    def start(*_args, **_options):
        raise AssertionError("a server was started")

    monkeypatch.setattr("lumbung.local.services.starting", start)
    monkeypatch.setattr("lumbung.local.kafka.broker", start)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "--by", "count:0"), "--by: 'count:0' is no way to cut the stream"),
        (("run", "--by", "window:5x"), "--by: 'window:5x' is no way to cut the stream"),
        (("run", "--delay", "9..5"), "--delay: '9..5' is not a pause"),
        (("run", "--dataset", "missing.csv"), "missing.csv: the dataset cannot be read"),
        (("run", "--dataset", __file__, "--contract", "missing.yaml"), "missing.yaml: the contract cannot be read"),
        (("run", "--contract", "columns.yaml"), "--contract: it maps the columns of a dataset, and none is given"),
        (("replay", "--delay", "nan"), "--delay: 'nan' is not a pause"),
        (("replay", "--dataset", "missing.csv"), "missing.csv: the dataset cannot be read"),
        (("train", "--by", "5000"), "--by: '5000' is no way to cut the stream"),
    ],
)
def test_a_wrong_option_is_refused_before_anything_starts(arguments, message):
    done = CliRunner().invoke(app, arguments)
    assert isinstance(done.exception, LumbungError)
    assert message in str(done.exception)


@pytest.mark.parametrize("arguments", [("run", "--scheme", "c"), ("run", "--trainer", "R"), ("train", "--scheme", "c")])
def test_a_choice_that_there_is_not_is_refused_with_those_that_there_are(arguments):
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 2
    assert repr(arguments[2]) in done.output


def test_what_needs_models_says_how_to_get_them_before_there_are_any():
    for arguments in (("compare", "a-1", "b-1"), ("rollback", "b-1"), ("prune", "--keep", "1")):
        error = CliRunner().invoke(app, arguments).exception
        assert str(error).endswith("nothing is served yet. Train models: lumbung models run.")
