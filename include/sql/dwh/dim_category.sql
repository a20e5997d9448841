-- Grain: a course category of the newest version.
-- Traps: ids stay STRING, since one in the original data is not a UUID; two categories may share a type.
SELECT
    id AS course_category_id,
    type AS course_type
FROM staging.course_category
WHERE snapshot_date = @snapshot_date
