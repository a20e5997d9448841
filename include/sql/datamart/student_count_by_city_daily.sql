-- Question 1 over time. Grain: snapshot day x city with at least one student who takes a course.
-- Traps: semi-additive; a chart over months takes one day of each, never a sum over days.
SELECT
    snapshot_date,
    city,
    students AS student_count
FROM dwh.fact_city_daily
WHERE
    snapshot_date = @snapshot_date
    AND students > 0
