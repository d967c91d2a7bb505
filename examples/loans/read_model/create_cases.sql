-- Times are microseconds since 1970.
CREATE TABLE IF NOT EXISTS loan_cases (
    id bigint PRIMARY KEY,
    first_at bigint NOT NULL,
    last_at bigint NOT NULL
)
