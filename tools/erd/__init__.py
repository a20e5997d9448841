"""Draws the tables from their contracts: docs/images/erd.svg, and the diagrams in docs/reference/tables*.md."""
