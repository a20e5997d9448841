-- Grain: a party of a contract of the newest version, as the contract's events describe it.
-- Traps: a party may be one of several contracts: count distinct parties, or rows for relations. Its address is the one
-- that was sent with that contract; while one of them is held, the addresses of one party may differ. Nulls alone:
-- the party has no address.
SELECT
    contract_id,
    party_id,
    relation_type,
    relation_start_at,
    address_line_1,
    address_line_2,
    city,
    postal_code,
    country_of_address,
    address_start_date
FROM staging.contract_party
WHERE snapshot_date = @snapshot_date
