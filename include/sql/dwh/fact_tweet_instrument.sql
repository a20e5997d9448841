-- Grain: tweet x instrument. A run makes the days anew that changed; the other days stay as they are published.
-- Traps: a tweet that names two instruments is two rows, so rows here are no tweets; one that names none has no row.
SELECT
    tweet.tweet_date,
    tweet.tweet_id,
    instrument,
    EXTRACT(HOUR FROM tweet.created_at AT TIME ZONE 'Asia/Jakarta') AS tweet_hour
FROM staging.tweet AS tweet
CROSS JOIN UNNEST(tweet.instruments) AS instrument
WHERE tweet.tweet_date IN UNNEST(@tweet_dates)
