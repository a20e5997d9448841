"""Where data and state are kept: the lake and the warehouse."""
