"""Models of students' activity, trained on batches of a stream."""
