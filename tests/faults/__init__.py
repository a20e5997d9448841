"""The fault harness: each scenario disturbs runs, and compares every table with that of an undisturbed run.

`make faults` runs all of it, `test_faults.py` a short form of each. Scenarios are functions that take a
`FaultEnvironment` and `Options`, and give a `Result`.
"""
