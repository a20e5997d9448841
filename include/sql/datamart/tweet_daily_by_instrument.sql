-- How many tweets name each instrument, day by day?
-- Grain: day x instrument; no row where no tweet of the day names it.
-- Traps: the day is Jakarta's. A tweet counts once for each instrument it names: add up over days, not
-- over instruments.
SELECT
    tweet_date,
    instrument,
    COUNT(*) AS tweet_count
FROM dwh.fact_tweet_instrument
GROUP BY
    tweet_date,
    instrument
