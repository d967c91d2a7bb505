-- A queue by hand, as `graphile-worker` has it without its options.
CREATE TABLE raw_jobs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    run_at timestamptz NOT NULL DEFAULT now(),
    priority smallint NOT NULL DEFAULT 1,
    attempts integer NOT NULL DEFAULT 0,
    locked_at timestamptz,
    locked_by text,
    payload bytea NOT NULL
);

CREATE INDEX raw_jobs_by_due ON raw_jobs (priority, run_at, id) WHERE locked_at IS NULL;
