"""Probes over functions, types and clauses: the local server answers as Google's own engine, or is known not to."""

import pytest
import yaml

from lumbung.googlesql.errors import MissingEngineError
from support import differential


@pytest.fixture(scope="module")
def local(bigquery_server: str) -> differential.Local:
    server = differential.Local(bigquery_server)
    server.make_tables()
    return server


@pytest.fixture(scope="module")
def google(missing) -> differential.Google:
    try:
        return differential.Google()
    except MissingEngineError:
        missing("GoogleSQL's engine")


def test_the_server_answers_as_googles_engine_but_for_known_differences(local, google):
    known = differential.known_differences()
    found = {
        probe: differential.entry_of(probe, *rest)
        for probe, rest in differential.compare(local, google, {*known}).items()
    }
    new = [
        found[probe] for probe in found if {**found[probe], "why": known.get(probe, {}).get("why")} != known.get(probe)
    ]
    gone = [probe for probe in known if probe not in found]
    assert not new, f"new or changed, for differences.yaml:\n{yaml.safe_dump(new, sort_keys=False, allow_unicode=True)}"
    assert not gone, f"gone, take out of differences.yaml: {gone}"


def test_the_server_answers_what_the_engine_lacks(local):
    answers = {probe: local.answer(probe) for probe in differential.probes("unanswered")}
    assert {probe: answer.refusal for probe, answer in answers.items() if answer.refusal} == {}


def test_a_failure_of_the_server_is_no_answer():
    with pytest.raises(AssertionError, match="the server failed"):
        differential.difference(differential.Answer(refusal="no"), differential.Answer(refusal="Internal error: x"))


def test_there_are_enough_probes_and_few_differences():
    """The figures that the page of differences gives."""
    probes, known = differential.probes(), differential.known_differences()
    assert len(probes) == len({*probes}) >= 800
    assert {*known} <= {*probes}
    kinds = [entry["kind"] for entry in known.values()]
    assert sum(kind in ("value", "type", "name") for kind in kinds) <= 5
    assert kinds.count("accepted") <= 5
