"""The steps of a run that are the contract events' own; each task's id is its function's name."""

from __future__ import annotations

from lumbung.systems.contract_events.events import events as events
from lumbung.systems.contract_events.events import plan as plan
from lumbung.systems.contract_events.events import snapshot as snapshot
from lumbung.systems.contract_events.generate import generate as generate
from lumbung.systems.contract_events.history import history as history
from lumbung.systems.contract_events.history import samples as samples
from lumbung.systems.contract_events.record import contract_event_run as contract_event_run
from lumbung.systems.contract_events.record import sent as sent
from lumbung.systems.contract_events.send import send as send
from lumbung.systems.contract_events.topic import messages as messages
from lumbung.systems.contract_events.topic import verify as verify
