"""Draws the tables from their contracts: docs/images/erd.svg, and the diagram in docs/reference/tables.md."""
