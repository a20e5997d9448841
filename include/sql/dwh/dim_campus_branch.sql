-- Grain: a campus branch of the newest version.
-- Traps: the source is optional, so the table may be empty; codes stay STRING for their leading zeros. A day or number
-- that cannot be read becomes null, which a check reports.
SELECT
    branch_code,
    branch_name,
    city,
    SAFE_CAST(opened_on AS DATE) AS opened_on,
    SAFE_CAST(seat_count AS INT64) AS seat_count
FROM staging.campus_branch
WHERE snapshot_date = @snapshot_date
