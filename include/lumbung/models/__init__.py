"""Trained models: fitting, the file of a model, predictions, evaluation, releases; no Spark, no Kafka."""
