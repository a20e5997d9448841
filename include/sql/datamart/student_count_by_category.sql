-- Question 2: how many students take a course, per category type?
-- Grain: a course category, also one that nobody takes.
-- Traps: students and enrollments differ, as a student may take two courses of a category; student_count does not add
-- up over categories. Two categories may bear one type: they stay two rows. Enrollments are counted before
-- the join, which has one row a category then.
WITH enrollment AS (
    SELECT
        course_category_id,
        COUNT(DISTINCT student_id) AS student_count,
        COUNT(student_id) AS enrollment_count
    FROM dwh.fact_course_enrollment
    GROUP BY course_category_id
)

SELECT
    category.course_category_id,
    category.course_type,
    COALESCE(enrollment.student_count, 0) AS student_count,
    COALESCE(enrollment.enrollment_count, 0) AS enrollment_count
FROM dwh.dim_category AS category
LEFT JOIN enrollment ON category.course_category_id = enrollment.course_category_id
