-- Grain: a mentor of the newest version.
-- Traps: a name is not an identity (two ids may share one), and either name may be missing: the other stands alone,
-- without a space.
SELECT
    id AS mentor_id,
    first_name,
    last_name,
    NULLIF(ARRAY_TO_STRING([NULLIF(first_name, ''), NULLIF(last_name, '')], ' '), '') AS mentor_name
FROM staging.mentor
WHERE snapshot_date = @snapshot_date
