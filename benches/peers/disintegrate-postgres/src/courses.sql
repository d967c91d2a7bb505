ALTER TABLE event ADD COLUMN course TEXT;
CREATE INDEX idx_event_course ON event (course) WHERE course IS NOT NULL;

ALTER TABLE event ADD COLUMN student TEXT;
CREATE INDEX idx_event_student ON event (student) WHERE student IS NOT NULL;

-- As many events as the other sides have: in an empty index, all courses would be neighbours, and PostgreSQL takes
-- neighbours that are read for conflicts.
INSERT INTO event (event_type, payload, course, student)
SELECT
    'StudentSubscribed',
    convert_to(jsonb_build_object('StudentSubscribed', jsonb_build_object(
        'course', 'old-' || n % 3333, 'student', 'old-' || n % 33333, 'seat', n,
        'note', 'for the winter, with the certificate'
    ))::text, 'UTF8'),
    'old-' || n % 3333,
    'old-' || n % 33333
FROM generate_series(1, 100000) AS n;
