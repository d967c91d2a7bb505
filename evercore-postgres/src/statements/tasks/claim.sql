-- $1 queue    $2 owner    $3 duration of the lease    $4 most tasks    $5 the time before which none is looked for, or NULL
SELECT
    t.id, t.queue, t.key, t.priority, t.due, t.attempts, t.failure, t.task_type, t.version, t.codec, t.payload,
    t.correlation_id, t.causation_id, t.metadata, t.enqueued_at, t.is_abandoned, t.token, t.owner, t.n, t.first_due
FROM evercore.claim_tasks($1, $2, $3, $4, $5) AS t
