-- At which hours do people talk about each instrument?
-- Grain: hour of the day (Jakarta) x instrument, over all days; 0 where no tweet was written.
-- Traps: without the list of hours, those without tweets would be missing. A tweet counts once for each instrument.
-- The tables' aliases differ from the columns: after GROUP BY, BigQuery takes a name for the selected column's first.
WITH hours AS (
    SELECT tweet_hour
    FROM UNNEST(GENERATE_ARRAY(0, 23)) AS tweet_hour
)

SELECT
    hours.tweet_hour,
    listed.instrument,
    COUNT(named.tweet_id) AS tweet_count
FROM hours
CROSS JOIN dwh.dim_instrument AS listed
LEFT JOIN
    dwh.fact_tweet_instrument AS named
    ON hours.tweet_hour = named.tweet_hour AND listed.instrument = named.instrument
GROUP BY
    hours.tweet_hour,
    listed.instrument
