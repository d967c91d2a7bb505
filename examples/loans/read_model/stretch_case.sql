-- $1 id, $2 time of the first event, $3 time of the last
INSERT INTO loan_cases (id, first_at, last_at)
VALUES ($1, $2, $3)
ON CONFLICT (id) DO UPDATE
SET first_at = CASE WHEN excluded.first_at < loan_cases.first_at
        THEN excluded.first_at ELSE loan_cases.first_at END,
    last_at = CASE WHEN excluded.last_at > loan_cases.last_at
        THEN excluded.last_at ELSE loan_cases.last_at END
