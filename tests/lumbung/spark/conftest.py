"""One session of each engine for the tests of a module, of one JVM server; `engine` is each in turn."""

import pytest

from lumbung.core.settings import Settings
from lumbung.spark.session import session
from support import spark_server


@pytest.fixture(scope="module")
def sail():
    with session(Settings.of(spark="sail")) as opened:
        yield opened


@pytest.fixture(scope="package")
def jvm_address(tmp_path_factory, missing):
    if lacking := spark_server.missing():
        missing(lacking)
    with spark_server.running(tmp_path_factory.mktemp("spark")) as address:
        yield address


@pytest.fixture(scope="module")
def jvm(jvm_address):
    with session(Settings.of(spark=jvm_address)) as opened:
        yield opened


@pytest.fixture(scope="module", params=["sail", "jvm"])
def engine(request):
    return request.getfixturevalue(request.param)
