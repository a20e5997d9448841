-- Grain: a course of the newest version, also one that nobody takes.
-- Traps: count a column of the enrollment, as COUNT(*) gives an empty course one; student_count does not add up over
-- courses, since a student may take several.
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
        student_id
    FROM staging.course_enrollment
    WHERE snapshot_date = @snapshot_date
)

SELECT
    course.id AS course_id,
    course.title AS course_title,
    course.mentor_id,
    course.course_category_id,
    COUNT(DISTINCT enrollment.student_id) AS student_count,
    COUNT(enrollment.student_id) AS enrollment_count
FROM course
LEFT JOIN enrollment ON course.id = enrollment.course_id
GROUP BY
    course.id,
    course.title,
    course.mentor_id,
    course.course_category_id
