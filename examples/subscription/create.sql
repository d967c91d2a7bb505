CREATE TABLE IF NOT EXISTS balances (
    owner text PRIMARY KEY,
    amount bigint NOT NULL,
    deposits bigint NOT NULL
)
