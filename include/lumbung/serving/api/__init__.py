"""The HTTP API that serves models."""
