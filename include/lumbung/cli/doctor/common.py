"""What several checks share."""

CONNECT_SECONDS = 5
