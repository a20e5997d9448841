"""The stages of a day, in the order of the DAG; they know no system by name."""
