CREATE SCHEMA chaos;

-- Not unique, so that an event that was handled twice has two rows.
CREATE TABLE chaos.handled (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    position bigint NOT NULL,
    aggregate_id bigint NOT NULL,
    sequence bigint NOT NULL,
    worker text NOT NULL
);

CREATE TABLE chaos.written_beside (attempt bigint NOT NULL);

CREATE TABLE chaos.moved_back (
    subscription text NOT NULL,
    number integer NOT NULL,
    was bigint NOT NULL,
    became bigint NOT NULL
);

CREATE FUNCTION chaos.note_what_moves_back() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chaos.moved_back VALUES (old.subscription, old.number, old.cursor, new.cursor);
    RETURN NULL;
END
$$;

CREATE TRIGGER note_what_moves_back
AFTER UPDATE OF cursor ON evercore.subscription_partitions
FOR EACH ROW
WHEN (new.cursor < old.cursor)
EXECUTE FUNCTION chaos.note_what_moves_back();
