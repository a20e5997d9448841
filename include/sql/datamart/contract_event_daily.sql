-- How many events of each operation do the versions of a day have?
-- Grain: day x operation, all three of each day that has an event; no row for a day without any.
-- Traps: the day is that of the version. Events add up over days and operations; contracts over neither, as a contract
-- may have an event on each of two days, or in two sendings of a day. A day of which nothing changed and a day that was
-- never sent look alike here: ops.contract_event_run distinguishes them.
WITH event_day AS (
    SELECT DISTINCT event_date
    FROM dwh.fact_contract_event
)

SELECT
    event_day.event_date,
    kind AS operation,
    COUNT(happened.event_id) AS event_count,
    COUNT(DISTINCT happened.contract_id) AS contract_count,
    COUNT(DISTINCT happened.sending) AS sending_count
FROM event_day
CROSS JOIN UNNEST(['INSERT', 'UPDATE', 'DELETE']) AS kind
LEFT JOIN dwh.fact_contract_event AS happened
    ON event_day.event_date = happened.event_date AND kind = happened.operation
GROUP BY event_day.event_date, kind
