-- Grain: a course of the newest version, also one that nobody takes.
-- Traps: a course that nobody takes has no row to join, hence COALESCE; student_count does not add up over courses,
-- since a student may take several. Enrollments are counted first, so that not each of them meets its course.
WITH course AS (
    SELECT
        id,
        title,
        mentor_id,
        course_category_id
    FROM staging.course
    WHERE snapshot_date = @snapshot_date
),

enrollment AS (
    SELECT
        course_id,
        COUNT(DISTINCT student_id) AS student_count,
        COUNT(student_id) AS enrollment_count
    FROM staging.course_enrollment
    WHERE snapshot_date = @snapshot_date
    GROUP BY course_id
)

SELECT
    course.id AS course_id,
    course.title AS course_title,
    course.mentor_id,
    course.course_category_id,
    COALESCE(enrollment.student_count, 0) AS student_count,
    COALESCE(enrollment.enrollment_count, 0) AS enrollment_count
FROM course
LEFT JOIN enrollment ON course.id = enrollment.course_id
