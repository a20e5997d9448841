"""The systems that are gathered, a folder each, with the same file names in each."""
