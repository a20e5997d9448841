"""Doctor: what Lumbung needs, what was found, and what to do about it.

Nothing is started or changed, but for a small file that is written to the home folder and the lake and deleted again.
"""
