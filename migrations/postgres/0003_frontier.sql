-- Computes the frontier: how far the log can be read without skipping events that are still on their way.
--
-- Positions are drawn before they are committed, so a higher one may become visible first. A writer announces a floor,
-- the last position drawn before its own, as a shared advisory lock that its transaction holds to its end
-- (`announce_floor`). A reader reads the last position drawn, and then the lowest floor that is held. The smaller of
-- the two is the frontier: no event will appear at or below it any more, because:
--
--   * A writer whose floor is not seen has either ended, and then its events are visible to a later statement, because
--     locks are released after the commit is visible; or it will announce a floor after the reader looked, and then
--     draw positions above the last one that the reader read first.
--   * The events are read in a later statement. In the same one, their snapshot would be older than the look at the
--     locks, and skip events.
--
-- Prepared transactions hold their locks without a process, so no query here filters by process. The locks of a standby
-- are not those of its primary, so a standby refuses. The frontier is computed each time and never cached: after a
-- crash, positions that were drawn and not committed are drawn again.
--
-- `drawn` is the last position drawn by any transaction: if it is higher, a transaction holds the frontier back.
CREATE FUNCTION evercore.frontier(OUT frontier bigint, OUT drawn bigint)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    lowest bigint;
BEGIN
    IF pg_is_in_recovery() THEN
        RAISE EXCEPTION 'the frontier of a standby is not known' USING ERRCODE = 'EV001';
    END IF;

    SELECT CASE WHEN s.is_called THEN s.last_value ELSE 0 END INTO drawn
    FROM evercore.event_positions s;

    SELECT min(f.floor) INTO lowest FROM evercore.floors(drawn) AS f;

    frontier := least(drawn, lowest);
END
$$;

-- Returns the floors that are held, and their holders. A lock has room for the low 32 bits of a floor; the floor is the
-- number nearest to `last` that has these bits, so it may lie up to 2^31 positions behind.
--
-- STABLE, so that the server inlines it into the calling statement. A volatile function is planned for each call, which
-- takes longer than the look at the locks.
CREATE FUNCTION evercore.floors(last bigint)
RETURNS TABLE (floor bigint, pid integer, virtual_transaction text)
LANGUAGE sql STABLE AS $$
    SELECT
        last + (l.objid::bigint - last)::bit(32)::integer,
        l.pid,
        l.virtualtransaction
    FROM pg_locks l
    WHERE l.locktype = 'advisory'
        AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
        AND l.classid = 'evercore.events'::regclass::oid
        AND l.objsubid = 2
        AND l.mode = 'ShareLock'
$$;

INSERT INTO evercore.evercore_migrations (version, description) VALUES (3, 'frontier');
