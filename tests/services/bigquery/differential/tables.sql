-- The tables that probes read: `kinds` has a column of each type, with NULLs and values at the edges; `sales` and `cities`
-- are for joins, groups and windows. Both engines make them from this text. Synthetic.
CREATE TABLE kinds AS
SELECT 1 AS id, 7 AS i, 1.5 AS f, NUMERIC '12.50' AS n, 'apple' AS s, TRUE AS b, DATE '2026-01-31' AS d,
  TIMESTAMP '2026-01-31 23:59:59.5+00' AS ts, DATETIME '2026-01-31 10:20:30' AS dt, TIME '10:20:30.25' AS t, b'abc' AS y,
  JSON '{"a": 1, "b": "x", "c": null, "l": [1, 2]}' AS j, [1, 2, 3] AS l
UNION ALL
SELECT 2, -3, -2.5, NUMERIC '-7.125', ' Éclair ', FALSE, DATE '2024-02-29', TIMESTAMP '1969-12-31 23:59:59+00',
  DATETIME '1999-12-31 23:59:59.123456', TIME '00:00:00', b'\xff\x00', JSON '{"a": "1", "b": true}', [5]
UNION ALL
SELECT 3, 0, 0.0, NUMERIC '0', '', TRUE, DATE '1999-12-31', TIMESTAMP '2026-03-29 01:30:00+00', DATETIME '2026-06-15 00:00:00',
  TIME '23:59:59.999999', b'', JSON '[1, {"a": 2}]', []
UNION ALL
SELECT 4, 9223372036854775807, 1e16, NUMERIC '99999999999.123456789', '12', FALSE, DATE '2026-12-31',
  TIMESTAMP '2026-12-31 17:00:00+00', DATETIME '2026-12-31 12:00:00', TIME '12:00:00', b'12', JSON '"text"', [3, 3]
UNION ALL
SELECT 5, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL;

CREATE TABLE sales AS
SELECT 1 AS id, 'jakarta' AS city, DATE '2026-01-01' AS day, 10 AS amount, 1.25 AS rate, 'A' AS product
UNION ALL SELECT 2, 'jakarta', DATE '2026-01-02', 20, 2.5, 'B'
UNION ALL SELECT 3, 'bandung', DATE '2026-01-01', 5, NULL, 'A'
UNION ALL SELECT 4, 'bandung', DATE '2026-01-03', NULL, 0.5, 'A'
UNION ALL SELECT 5, NULL, DATE '2026-01-03', 7, 4.0, 'C'
UNION ALL SELECT 6, 'surabaya', DATE '2026-01-04', 20, 1.0, 'B';

CREATE TABLE cities AS
SELECT 'jakarta' AS city, 'Java' AS island, 10.5 AS people
UNION ALL SELECT 'bandung', 'Java', 2.4
UNION ALL SELECT 'denpasar', 'Bali', NULL;
