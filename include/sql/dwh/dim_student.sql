-- Grain: a student of the newest version.
-- Traps: a name is not an identity (two ids may share one), and either name may be missing: the other stands alone,
-- without a space. City is kept as written; only readers that count give blanks a name.
SELECT
    id AS student_id,
    first_name,
    last_name,
    NULLIF(ARRAY_TO_STRING([NULLIF(first_name, ''), NULLIF(last_name, '')], ' '), '') AS student_name,
    street_address,
    country,
    city,
    phone_number
FROM staging.student
WHERE snapshot_date = @snapshot_date
