"""What tables are: their contracts, and the queries that make them."""
