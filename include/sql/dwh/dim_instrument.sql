-- Grain: an instrument that tweets are counted for. The list is Cilvest's own; no source has it.
-- Traps: the names are those that cleaning writes into staging.tweet.instruments; a name that is missing here fails the
-- audit of fact_tweet_instrument.
SELECT
    instrument,
    english
FROM UNNEST([
    STRUCT('reksadana' AS instrument, 'mutual funds' AS english),
    STRUCT('saham' AS instrument, 'shares' AS english),
    STRUCT('sukuk' AS instrument, 'Islamic bonds' AS english)
])
