-- Grain: a metric of a model of the newest version, also one that is not measured yet.
-- Traps: values of two models are measured on different batches unless their numbers are equal. Which of two values is
-- better depends on the metric: see the column better.
SELECT
    model_id,
    kind,
    metric,
    better,
    batch,
    measured_count,
    value,
    baseline,
    truth
FROM staging.model_metric
WHERE snapshot_date = @snapshot_date
