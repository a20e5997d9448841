-- Grain: a contract of the newest version that was sent and is not deleted, as its events describe it.
-- Traps: this is what was sent, not what the source has now: a held contract is as it was sent last, and a contract
-- that is held before its first event is missing. A contract deleted and inserted again has the day of its second
-- INSERT. A contract that is gone has no row here, but its events stay in fact_contract_event. Country is kept as
-- written; only tables that count by it name blank ones.
SELECT
    contract_id,
    source_system,
    contract_start_at,
    title_1,
    title_2,
    tax_id_type,
    tax_id,
    branch_code,
    country,
    first_sent_day,
    last_sent_day,
    is_held
FROM staging.contract
WHERE snapshot_date = @snapshot_date
