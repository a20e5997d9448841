-- How many tweets name each instrument?
-- Grain: an instrument, also one that no tweet names.
-- Traps: a tweet counts once for each instrument it names, so the rows add up to more than tweet_total.
-- The tables' aliases differ from the columns: after GROUP BY, BigQuery takes a name for the selected column's first.
SELECT
    listed.instrument,
    COUNT(named.tweet_id) AS tweet_count
FROM dwh.dim_instrument AS listed
LEFT JOIN dwh.fact_tweet_instrument AS named ON listed.instrument = named.instrument
GROUP BY listed.instrument
