-- Grain: snapshot day x course category; every category of that day, also one without courses.
-- Traps: semi-additive. Nothing adds up over days, and students not over categories either. The type is that day's:
-- dim_category knows only the newest version, and joining it would make a past day depend on when it was built.
WITH category AS (
    SELECT
        snapshot_date,
        id,
        type
    FROM staging.course_category
    WHERE snapshot_date = @snapshot_date
),

course AS (
    SELECT
        id,
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
    category.snapshot_date,
    category.id AS course_category_id,
    category.type AS course_type,
    COUNT(DISTINCT enrollment.student_id) AS students,
    COUNT(enrollment.student_id) AS enrollments,
    COUNT(DISTINCT course.id) AS courses
FROM category
LEFT JOIN course ON category.id = course.course_category_id
LEFT JOIN enrollment ON course.id = enrollment.course_id
GROUP BY
    category.snapshot_date,
    category.id,
    category.type
