-- Grain: an event of a contract; a tombstone is none. A run rebuilds the days whose sendings changed; the other days
-- stay as published.
-- Traps: the day is that of the version that was sent, not the day on which it was sent. A day that was taken again may
-- have several sendings; within one, a contract has one event at most. A version that changed nothing has no row. The
-- events of a contract in the order of sendings are its history; contracts that are gone are here, too.
SELECT
    event_date,
    generation,
    sending,
    position,
    event_id,
    contract_id,
    operation
FROM staging.contract_event
WHERE event_date IN UNNEST(@event_dates)
