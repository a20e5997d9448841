-- Question 3 over time. Grain: snapshot day x mentor, also one whose courses nobody takes.
-- Traps: semi-additive; a chart over months takes one day of each, never a sum over days.
SELECT
    snapshot_date,
    mentor_id,
    mentor_name,
    enrollments AS enrollment_count
FROM dwh.fact_mentor_daily
WHERE snapshot_date = @snapshot_date
