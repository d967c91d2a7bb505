CREATE TABLE IF NOT EXISTS loan_activities (
    activity text NOT NULL,
    lifecycle text NOT NULL,
    events bigint NOT NULL,
    PRIMARY KEY (activity, lifecycle)
)
