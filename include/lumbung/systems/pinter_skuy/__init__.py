"""pinter-skuy, an edu-tech: students, mentors, courses and enrollments."""
