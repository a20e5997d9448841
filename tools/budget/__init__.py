"""What the Cilvest service costs: the report's budget recomputed, and the designs that Lumbung offers."""
