-- Grain: a course category of the newest version.
-- Traps: ids stay STRING, since one of the original data is no UUID; two categories may bear one type.
SELECT
    id AS course_category_id,
    type AS course_type
FROM staging.course_category
WHERE snapshot_date = @snapshot_date
