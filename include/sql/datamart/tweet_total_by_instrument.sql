-- How many tweets name each instrument?
-- Grain: an instrument, also one that no tweet names.
-- Traps: a tweet counts once for each instrument it names, so the rows add up to more than tweet_total.
SELECT
    instrument.instrument,
    COUNT(named.tweet_id) AS tweet_count
FROM dwh.dim_instrument AS instrument
LEFT JOIN dwh.fact_tweet_instrument AS named ON instrument.instrument = named.instrument
GROUP BY instrument.instrument
