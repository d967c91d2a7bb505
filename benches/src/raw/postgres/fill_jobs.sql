-- $1 payload    $2 jobs
INSERT INTO raw_jobs (payload)
SELECT $1 FROM generate_series(1, $2 - (SELECT count(*) FROM raw_jobs WHERE locked_at IS NULL))
