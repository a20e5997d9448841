-- Grain: snapshot day x mentor; every mentor of that day, also one whose courses nobody takes.
-- Traps: semi-additive, nothing adds up over days, and students not over mentors either. The name is that day's:
-- dim_mentor knows only the newest version. Enrollments are counted before the join.
WITH mentor AS (
    SELECT
        snapshot_date,
        id,
        NULLIF(ARRAY_TO_STRING([NULLIF(first_name, ''), NULLIF(last_name, '')], ' '), '') AS mentor_name
    FROM staging.mentor
    WHERE snapshot_date = @snapshot_date
),

course AS (
    SELECT
        id,
        mentor_id
    FROM staging.course
    WHERE snapshot_date = @snapshot_date
),

enrollment AS (
    SELECT
        student_id,
        course_id
    FROM staging.course_enrollment
    WHERE snapshot_date = @snapshot_date
),

taken AS (
    SELECT
        course.mentor_id,
        COUNT(DISTINCT enrollment.student_id) AS students,
        COUNT(enrollment.student_id) AS enrollments
    FROM course
    INNER JOIN enrollment ON course.id = enrollment.course_id
    GROUP BY course.mentor_id
)

SELECT
    mentor.snapshot_date,
    mentor.id AS mentor_id,
    mentor.mentor_name,
    COALESCE(taken.students, 0) AS students,
    COALESCE(taken.enrollments, 0) AS enrollments
FROM mentor
LEFT JOIN taken ON mentor.id = taken.mentor_id
