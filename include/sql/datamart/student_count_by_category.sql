-- Question 2: how many students take a course, per category type?
-- Grain: a course category, also one that nobody takes.
-- Traps: students and enrollments differ, as a student may take two courses of a category; student_count does not add
-- up over categories. Two categories may bear one type: they stay two rows.
SELECT
    category.course_category_id,
    category.course_type,
    COUNT(DISTINCT enrollment.student_id) AS student_count,
    COUNT(enrollment.student_id) AS enrollment_count
FROM dwh.dim_category AS category
LEFT JOIN dwh.fact_course_enrollment AS enrollment ON category.course_category_id = enrollment.course_category_id
GROUP BY
    category.course_category_id,
    category.course_type
