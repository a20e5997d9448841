-- How many tweets name an instrument?
-- Grain: all tweets, one row.
-- Traps: a tweet that names several instruments counts once, so the counts by instrument add up to more than this one.
SELECT
    COUNT(*) AS tweet_count,
    MIN(tweet_date) AS first_tweet_date,
    MAX(tweet_date) AS last_tweet_date
FROM dwh.fact_tweet
WHERE instrument_count > 0
