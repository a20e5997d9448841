-- Grain: a model of the newest version.
-- Traps: a model id is not for ever the same model: when late rows change a batch, its models are trained again;
-- model_key names what a model was made of. The newest model is not the one that is served after a rollback.
SELECT
    model_id,
    scheme,
    number,
    first_batch,
    batch_count,
    row_count,
    kinds,
    basis,
    model_key,
    trainer,
    engine,
    training_seconds,
    trained_at,
    sha256,
    number = MAX(number) OVER (PARTITION BY scheme) AS is_newest
FROM staging.model
WHERE snapshot_date = @snapshot_date
