-- Grain: snapshot day x course category; every category of that day, also one without courses.
-- Traps: semi-additive. Nothing adds up over days, and students not over categories either. The type is that day's:
-- dim_category knows only the newest version, and joining it would make a past day depend on when it was built.
-- Enrollments are counted before the join, which has one row a category then.
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
),

offered AS (
    SELECT
        course_category_id,
        COUNT(*) AS courses
    FROM course
    GROUP BY course_category_id
),

taken AS (
    SELECT
        course.course_category_id,
        COUNT(DISTINCT enrollment.student_id) AS students,
        COUNT(enrollment.student_id) AS enrollments
    FROM course
    INNER JOIN enrollment ON course.id = enrollment.course_id
    GROUP BY course.course_category_id
)

SELECT
    category.snapshot_date,
    category.id AS course_category_id,
    category.type AS course_type,
    COALESCE(taken.students, 0) AS students,
    COALESCE(taken.enrollments, 0) AS enrollments,
    COALESCE(offered.courses, 0) AS courses
FROM category
LEFT JOIN offered ON category.id = offered.course_category_id
LEFT JOIN taken ON category.id = taken.course_category_id
