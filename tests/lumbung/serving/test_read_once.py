import pytest

from lumbung.core.errors import LumbungError
from lumbung.serving.read_once import ReadOnce
from support.bigquery_methods import method_of
from support.bigquery_recorder import recording


def test_a_query_is_asked_once_and_a_failed_one_again(harness):
    with recording(harness.settings.emulator_host) as (url, recorder):
        warehouse = ReadOnce(harness.settings.replace(emulator_host=url))

        def asked():
            return [method_of(request) for request in recorder.requests].count("jobs.insert")

        for _ in range(2):
            assert warehouse.rows("SELECT 1 AS n").to_pylist() == [{"n": 1}]
        assert asked() == 1
        assert warehouse.rows("SELECT @n AS n", {"n": "a"}).to_pylist() == [{"n": "a"}]
        assert warehouse.rows("SELECT @n AS n", {"n": "b"}).to_pylist() == [{"n": "b"}]
        assert asked() == 3
        for number in (4, 5):
            with pytest.raises(LumbungError, match="nowhere"):
                warehouse.rows("SELECT * FROM nowhere.t")
            assert asked() == number
