-- How many students take at least one course, and how many campus branches are there, per city?
-- Grain: a city that has such a student or a branch, as written by the sources; no trimming, no case-folding.
-- Traps: students and branches are counted apart and then joined, so neither multiplies the other. A city spelled
-- differently by the two sources is two rows. Blank cities go to one row; seats that are not known count as none.
WITH students AS (
    SELECT
        IF(REGEXP_CONTAINS(student.city, r'\S'), student.city, '(unknown)') AS known_city,
        COUNT(*) AS student_count
    FROM dwh.dim_student AS student
    WHERE student.student_id IN (SELECT enrollment.student_id FROM dwh.fact_course_enrollment AS enrollment)
    GROUP BY known_city
),

branches AS (
    SELECT
        IF(REGEXP_CONTAINS(branch.city, r'\S'), branch.city, '(unknown)') AS known_city,
        COUNT(*) AS branch_count,
        SUM(branch.seat_count) AS seats
    FROM dwh.dim_campus_branch AS branch
    GROUP BY known_city
)

SELECT
    COALESCE(students.known_city, branches.known_city) AS city,
    COALESCE(students.student_count, 0) AS student_count,
    COALESCE(branches.branch_count, 0) AS branch_count,
    COALESCE(branches.seats, 0) AS seat_count
FROM students
FULL OUTER JOIN branches ON students.known_city = branches.known_city
