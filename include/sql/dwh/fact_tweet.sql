-- Grain: a cleaned tweet. A run makes the days anew that changed; the other days stay as they are published.
-- Traps: tweets that name no instrument are here too: count those with instrument_count > 0. The hour is Jakarta's, as
-- the date is; that of created_at itself is UTC's.
SELECT
    tweet_date,
    tweet_id,
    created_at,
    EXTRACT(HOUR FROM created_at AT TIME ZONE 'Asia/Jakarta') AS tweet_hour,
    user_name,
    ARRAY_LENGTH(instruments) AS instrument_count
FROM staging.tweet
WHERE tweet_date IN UNNEST(@tweet_dates)
