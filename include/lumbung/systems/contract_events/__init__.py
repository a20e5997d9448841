"""Contract events: a bank's accounts, parties and addresses, and the events of what changed in them."""
