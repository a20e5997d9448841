"""Stream models: students' activity as a stream, cut into batches, with models for each batch that an API serves."""
