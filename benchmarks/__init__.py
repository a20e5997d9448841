"""What Lumbung costs, beside what else one could use: each measure takes turns in one run and gives ratios."""
