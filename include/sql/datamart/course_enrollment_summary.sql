-- Grain: an enrollment (a student in a course), with names to read.
-- Traps: group by ids, not by names, which two people may share. All joins are LEFT: an enrollment is never lost.
SELECT
    enrollment.course_category_id,
    category.course_type,
    enrollment.course_id,
    course.course_title,
    enrollment.student_id,
    student.student_name,
    student.city,
    enrollment.mentor_id,
    mentor.mentor_name
FROM dwh.fact_course_enrollment AS enrollment
LEFT JOIN dwh.dim_category AS category ON enrollment.course_category_id = category.course_category_id
LEFT JOIN dwh.fact_course AS course ON enrollment.course_id = course.course_id
LEFT JOIN dwh.dim_student AS student ON enrollment.student_id = student.student_id
LEFT JOIN dwh.dim_mentor AS mentor ON enrollment.mentor_id = mentor.mentor_id
