-- Grain: an activity of a batch. A run rebuilds the days whose batches changed; the other days stay as published.
-- Traps: the day is Jakarta's. A student's repeated activity with a course is several rows. A row of a window that is
-- not closed yet is in no batch, so it is not here.
SELECT
    activity_date,
    batch,
    position,
    seq,
    student_id,
    course_id,
    rating,
    minutes,
    hour,
    device,
    completed,
    event_at
FROM staging.activity
WHERE activity_date IN UNNEST(@activity_dates)
