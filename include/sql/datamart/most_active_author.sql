-- Who writes most about the instruments?
-- Grain: an author with more than one such tweet and RANK <= 10. All ties are kept, so there may be more than ten;
-- after a tie ranks are left out. Readers order by rank, then name.
-- Traps: only tweets that name an instrument count, each once. A tweet that does not say who wrote it has no author.
WITH counted AS (
    SELECT
        user_name,
        COUNT(*) AS tweet_count
    FROM dwh.fact_tweet
    WHERE instrument_count > 0 AND user_name IS NOT NULL
    GROUP BY user_name
    HAVING COUNT(*) > 1
),

ranked AS (
    SELECT
        RANK() OVER (ORDER BY tweet_count DESC) AS rank,
        user_name,
        tweet_count
    FROM counted
)

SELECT
    rank,
    user_name,
    tweet_count
FROM ranked
WHERE rank <= 10
