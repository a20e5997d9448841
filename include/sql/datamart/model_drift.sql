-- How much does each batch differ from the one before it?
-- Grain: a feature of a batch; the first batch has nothing before it.
-- Traps: the bins are fixed (a quarter of an hour for minutes, up to 180; three hours for hour), so that a batch's
-- numbers do not change when later ones come; a missing value is a bin of its own. A share of 0 counts as 0.0001, as
-- the index would be infinite. Thresholds 0.1 and 0.25 are the usual ones; of small batches the index is high by
-- chance alone. Minutes may be any number, so they are bounded before they become a whole one.
WITH activity_value AS (
    SELECT
        batch,
        'minutes' AS feature,
        minutes AS amount,
        COALESCE(CAST(DIV(CAST(FLOOR(LEAST(minutes, 180)) AS INT64), 15) AS STRING), 'missing') AS bin
    FROM dwh.fact_activity
    UNION ALL
    SELECT
        batch,
        'hour' AS feature,
        CAST(hour AS FLOAT64) AS amount,
        COALESCE(CAST(DIV(hour, 3) AS STRING), 'missing') AS bin
    FROM dwh.fact_activity
    UNION ALL
    SELECT
        batch,
        'rating' AS feature,
        CAST(rating AS FLOAT64) AS amount,
        COALESCE(CAST(rating AS STRING), 'missing') AS bin
    FROM dwh.fact_activity
    UNION ALL
    SELECT
        batch,
        'device' AS feature,
        CAST(NULL AS FLOAT64) AS amount,
        COALESCE(device, 'missing') AS bin
    FROM dwh.fact_activity
    UNION ALL
    SELECT
        batch,
        'completed' AS feature,
        CASE WHEN completed THEN 1.0 WHEN NOT completed THEN 0.0 END AS amount,
        CASE WHEN completed THEN 'true' WHEN NOT completed THEN 'false' ELSE 'missing' END AS bin
    FROM dwh.fact_activity
),

feature_total AS (
    SELECT
        batch,
        feature,
        COUNT(*) AS row_count,
        COUNTIF(bin = 'missing') AS missing_count,
        ROUND(AVG(amount), 6) AS mean
    FROM activity_value
    GROUP BY batch, feature
),

bin_total AS (
    SELECT
        batch,
        feature,
        bin,
        COUNT(*) AS row_count
    FROM activity_value
    GROUP BY batch, feature, bin
),

batch_pair AS (
    SELECT
        batch,
        LAG(batch) OVER (ORDER BY batch) AS batch_before
    FROM (SELECT DISTINCT batch FROM dwh.fact_activity) AS batch_number
),

-- The bins of both batches of a pair, each once.
pair_bin AS (
    SELECT
        batch_pair.batch,
        batch_pair.batch_before,
        bin_total.feature,
        bin_total.bin
    FROM batch_pair
    INNER JOIN bin_total ON bin_total.batch IN (batch_pair.batch, batch_pair.batch_before)
    WHERE batch_pair.batch_before IS NOT NULL
    GROUP BY batch_pair.batch, batch_pair.batch_before, bin_total.feature, bin_total.bin
),

bin_share AS (
    SELECT
        pair_bin.batch,
        pair_bin.feature,
        GREATEST(COALESCE(bin_now.row_count, 0) / total_now.row_count, 0.0001) AS share_now,
        GREATEST(COALESCE(bin_then.row_count, 0) / total_then.row_count, 0.0001) AS share_then
    FROM pair_bin
    INNER JOIN feature_total AS total_now
        ON pair_bin.batch = total_now.batch AND pair_bin.feature = total_now.feature
    INNER JOIN feature_total AS total_then
        ON pair_bin.batch_before = total_then.batch AND pair_bin.feature = total_then.feature
    LEFT JOIN bin_total AS bin_now
        ON
            pair_bin.batch = bin_now.batch
            AND pair_bin.feature = bin_now.feature
            AND pair_bin.bin = bin_now.bin
    LEFT JOIN bin_total AS bin_then
        ON
            pair_bin.batch_before = bin_then.batch
            AND pair_bin.feature = bin_then.feature
            AND pair_bin.bin = bin_then.bin
),

stability AS (
    SELECT
        batch,
        feature,
        ROUND(SUM((share_now - share_then) * LN(share_now / share_then)), 6) AS psi
    FROM bin_share
    GROUP BY batch, feature
)

SELECT
    feature_total.batch,
    batch_pair.batch_before,
    feature_total.feature,
    feature_total.row_count,
    feature_total.missing_count,
    feature_total.mean,
    feature_before.mean AS mean_before,
    stability.psi,
    CASE
        WHEN stability.psi < 0.1 THEN 'stable'
        WHEN stability.psi < 0.25 THEN 'moving'
        WHEN stability.psi IS NOT NULL THEN 'drifted'
    END AS level
FROM feature_total
INNER JOIN batch_pair ON feature_total.batch = batch_pair.batch
LEFT JOIN feature_total AS feature_before
    ON batch_pair.batch_before = feature_before.batch AND feature_total.feature = feature_before.feature
LEFT JOIN stability
    ON feature_total.batch = stability.batch AND feature_total.feature = stability.feature
