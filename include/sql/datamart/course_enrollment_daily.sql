-- Grain: snapshot day x course category, for charts over time.
-- Traps: semi-additive; a chart over months takes one day of each, never a sum over days.
SELECT
    snapshot_date,
    course_category_id,
    course_type,
    students,
    enrollments,
    courses
FROM dwh.fact_enrollment_daily
WHERE snapshot_date = @snapshot_date
