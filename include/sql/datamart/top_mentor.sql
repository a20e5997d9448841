-- Question 3: which mentors' courses are taken most?
-- Grain: a mentor with RANK <= 3 by enrollments of their courses. All ties are kept, so there may be more than three;
-- after a tie ranks are left out: two firsts are followed by a third. Readers order by rank, then name.
-- Traps: two mentors may share a name and stay two rows; a mentor whose courses nobody takes has no rank.
WITH counted AS (
    SELECT
        mentor_id,
        COUNT(*) AS enrollment_count
    FROM dwh.fact_course_enrollment
    GROUP BY mentor_id
),

ranked AS (
    SELECT
        RANK() OVER (ORDER BY enrollment_count DESC) AS rank,
        mentor_id,
        enrollment_count
    FROM counted
)

SELECT
    ranked.rank,
    ranked.mentor_id,
    mentor.mentor_name,
    ranked.enrollment_count
FROM ranked
LEFT JOIN dwh.dim_mentor AS mentor ON ranked.mentor_id = mentor.mentor_id
WHERE ranked.rank <= 3
