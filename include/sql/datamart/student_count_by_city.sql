-- Question 1: how many students take at least one course, per city?
-- Grain: a city, as written by the source; no trimming, no case-folding.
-- Traps: a student with many courses counts once; a student with none does not; blank cities go to one row.
-- The name differs from dim_student.city, since GROUP BY takes a SELECT's alias before a column.
WITH enrolled AS (
    SELECT IF(REGEXP_CONTAINS(city, r'\S'), city, '(unknown)') AS known_city
    FROM dwh.dim_student
    WHERE student_id IN (SELECT enrollment.student_id FROM dwh.fact_course_enrollment AS enrollment)
)

SELECT
    known_city AS city,
    COUNT(*) AS student_count
FROM enrolled
GROUP BY known_city
