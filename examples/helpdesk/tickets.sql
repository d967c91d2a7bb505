-- The tickets that are not closed.
CREATE TABLE IF NOT EXISTS tickets (
    id BIGINT PRIMARY KEY,
    customer TEXT NOT NULL,
    subject TEXT NOT NULL,
    agent TEXT
)
