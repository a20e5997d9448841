"""What the lake knows of a warehouse."""

import pytest

from lumbung.core.errors import LumbungError
from lumbung.storage.lake import FolderLake
from lumbung.storage.state import Marker, State, of_system, of_warehouse


@pytest.fixture
def state(tmp_path):
    return State(FolderLake(tmp_path.as_uri(), tmp_path), "local.ops@20261120T000000000000", "shop")


def test_documents_of_earlier_releases_are_read(state):
    version = b'"day": "2026-11-20", "generation": 2, "extracted_at": "2026-11-20T10:00:00+00:00", "provisional": true'
    published = b'{"system": "shop", %s, "run_id": "r", "published_at": "2026-11-20T11:00:00+00:00"}' % version
    whole = b'{"system": "shop", %s, "run_id": "r", "rules": "0a", "days": {"2026-11-20": "0123"}}' % version
    pending = b'{"run_id": "r", "pairs": [["a", "b"]], "jobs": [], "whole": %s, "daily": null}' % whole
    state.lake.write(f"{state.folder}/published.json", published)
    state.lake.write(f"{state.folder}/pending.json", pending)
    state.lake.write(
        f"{state.folder}/staging/t/dt=2026-11-20.json", b'{"generation": 1, "loaded": true, "job_id": "j"}'
    )
    day = state.published().day
    assert (state.published().order, state.published().days) == ((day, 2), {})
    assert state.pending().pairs == [("a", "b")]
    assert state.pending().whole.days == {day: "0123"}
    assert state.marker("t", day) == Marker(generation=1, loaded=True, job_id="j")


def test_a_document_that_cannot_be_read_is_named(state):
    state.lake.write(f"{state.folder}/published.json", b'{"day": 7}')
    with pytest.raises(LumbungError, match=r"shop/published\.json: the document cannot be read"):
        state.published()


def test_states_are_found_by_system_and_by_warehouse(state):
    other = State(state.lake, "other", "school")
    for documents in (state, other):
        documents.lake.write(f"{documents.folder}/published.json", b"{}")
    assert [documents.folder for documents in of_system(state.lake, "shop")] == [state.folder]
    assert [documents.system for documents in of_warehouse(state.lake, "other")] == ["school"]
