-- How good is each model, beside what needs no model, and do more batches make it better?
-- Grain: a metric of a model, also one that is not measured yet.
-- Traps: compare a and b at the same number only: other numbers are measured on other batches. A ratio above 1 is good
-- where higher is better, and bad where lower is.
SELECT
    metric.model_id,
    trained.scheme,
    trained.number,
    trained.row_count AS training_count,
    metric.kind,
    metric.metric,
    metric.better,
    metric.batch,
    metric.measured_count,
    metric.value,
    metric.baseline,
    metric.truth,
    SAFE_DIVIDE(metric.value, metric.baseline) AS ratio_to_baseline,
    SAFE_DIVIDE(metric.value, metric.truth) AS ratio_to_truth,
    IF(metric.better = 'higher', metric.value > metric.baseline, metric.value < metric.baseline) AS beats_baseline,
    IF(metric.kind = 'recommendation', trained.basis, 'model') AS served
FROM dwh.fact_model_metric AS metric
INNER JOIN dwh.dim_model AS trained ON metric.model_id = trained.model_id
