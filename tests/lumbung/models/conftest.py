"""A model that several tests read."""

import pytest

from lumbung.models.fit import Parameters, fit
from support.tastes import Tastes


@pytest.fixture(scope="session")
def tastes():
    return Tastes()


@pytest.fixture(scope="session")
def activity(tastes):
    return tastes.draw(3000)


@pytest.fixture(scope="session")
def model(activity):
    return fit(activity, Parameters(), ["0a"])
