"""The designs on offer, the machines and the memory are consistent; a wrong figure is refused, and named."""

import pytest

from budget import model
from lumbung.core.errors import LumbungError

FIGURES = model.load()
OFFERED = [design for design in FIGURES.designs if design.offered]


def test_both_ways_of_search_and_of_spark_are_offered():
    assert {(design.search, design.stream) for design in OFFERED} >= {(False, False), (False, True), (True, True)}
    assert {design.spark for design in OFFERED} == {"sail", "serverless"}


@pytest.mark.parametrize("name", [name for name in FIGURES.machines if "custom" in name])
def test_custom_machines_are_as_big_as_their_names_say(name):
    machine, megabytes = FIGURES.machines[name], int(name.rsplit("-", 1)[1])
    assert machine.custom
    assert megabytes == machine.gb * 1024
    assert megabytes % 256 == 0
    assert 2048 <= megabytes <= 4096  # of e2-custom-small


@pytest.mark.parametrize("design", FIGURES.designs, ids=lambda design: design.name)
def test_memory_counts_what_the_design_says_it_runs(design):
    for phase, services in design.memory.items():
        assert {"os", "kafka", "collect", "ship", "land"} <= set(services)
        assert ("elasticsearch" in services) == design.search
        assert ("run" in services) == ("run" in phase)
        assert ("sail" in services) == (design.spark == "sail" and "run" in services)


def test_every_figure_has_a_source():
    assert all(price.source and price.region and price.unit for price in FIGURES.prices.values())
    assert all(rate.source for rate in FIGURES.rates.values())


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("report.yaml", "price: dataproc", "price: dataprok", "no such price: dataprok"),
        ("designs.yaml", "machine: e2-small, hours", "machine: e2-tiny, hours", "no such machine: e2-tiny"),
        ("designs.yaml", "[os, kafka, collect", "[os, kafla, collect", "no such part: kafla"),
        ("prices.yaml", "value: 0.02181159", "value: cheap", "e2_vcpu"),
        ("prices.yaml", "    region: us-central1\n", "", "region"),
        ("report.yaml", "lines:", "lines: [", "report.yaml"),
    ],
)
def test_a_wrong_figure_is_refused(changed_figures, file, old, new, message):
    with pytest.raises(LumbungError, match="the budget cannot be read") as error:
        model.load(changed_figures(file, old, new))
    assert message in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(LumbungError, match=r"prices\.yaml"):
        model.load(tmp_path)
