-- $1 activity, $2 lifecycle, $3 number of events
INSERT INTO loan_activities (activity, lifecycle, events)
VALUES ($1, $2, $3)
ON CONFLICT (activity, lifecycle) DO UPDATE
SET events = loan_activities.events + excluded.events
