"""Files of events in the lake, in the order they are sent."""

from __future__ import annotations

import pyarrow as pa

PART_EVENTS = 100_000
"""Messages of a file at most; a file is a transaction."""

SCHEMA = pa.schema(
    [
        pa.field("position", pa.int64(), nullable=False),  # in the sending, from 0; a tombstone has its event's
        pa.field("contract_id", pa.string(), nullable=False),  # the message's key
        pa.field("operation", pa.string(), nullable=False),  # INSERT, UPDATE, DELETE or TOMBSTONE
        pa.field("event_id", pa.string()),
        pa.field("value", pa.string()),  # the message: JSON without a registry's prefix; null: a tombstone
    ]
)
