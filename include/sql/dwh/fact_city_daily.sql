-- Grain: snapshot day x city of that day's students; also a city where nobody takes a course. Blank cities are one row.
-- Traps: semi-additive, nothing adds up over days. The city is that day's: dim_student knows only the newest version.
-- Enrollments are counted by student first: a student has one city, so that students need no DISTINCT.
WITH student AS (
    SELECT
        snapshot_date,
        id,
        IF(REGEXP_CONTAINS(city, r'\S'), city, '(unknown)') AS known_city
    FROM staging.student
    WHERE snapshot_date = @snapshot_date
),

enrollment AS (
    SELECT
        student_id,
        COUNT(student_id) AS courses
    FROM staging.course_enrollment
    WHERE snapshot_date = @snapshot_date
    GROUP BY student_id
)

SELECT
    student.snapshot_date,
    student.known_city AS city,
    COUNT(enrollment.student_id) AS students,
    COALESCE(SUM(enrollment.courses), 0) AS enrollments
FROM student
LEFT JOIN enrollment ON student.id = enrollment.student_id
GROUP BY
    student.snapshot_date,
    student.known_city
