"""Cilvest, an investment manager: tweets about saham, reksadana and sukuk."""
