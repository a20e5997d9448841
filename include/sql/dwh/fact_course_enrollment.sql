-- Grain: a student in a course, newest version.
-- Traps: the course is joined LEFT, so an enrollment in no course shows as a null mentor and fails the audit; an inner
-- join would lose it silently.
WITH course AS (
    SELECT
        id,
        mentor_id,
        course_category_id
    FROM staging.course
    WHERE snapshot_date = @snapshot_date
),

enrollment AS (
    SELECT
        student_id,
        course_id
    FROM staging.course_enrollment
    WHERE snapshot_date = @snapshot_date
)

SELECT
    enrollment.student_id,
    enrollment.course_id,
    course.mentor_id,
    course.course_category_id
FROM enrollment
LEFT JOIN course ON enrollment.course_id = course.id
