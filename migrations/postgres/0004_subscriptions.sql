-- Creates the tables and functions of durable subscriptions.

CREATE TABLE evercore.subscriptions (
    name text COLLATE "C" PRIMARY KEY CHECK (octet_length(name) BETWEEN 1 AND 128),
    -- The filter, as JSON; equal filters have the same text.
    filter text NOT NULL,
    partitions integer NOT NULL CHECK (partitions > 0),
    paused boolean NOT NULL DEFAULT false
);

-- The partitions of a subscription, each with its own cursor. A lease is held by its token, not by the owner's name,
-- and ends at `leased_until`.
CREATE TABLE evercore.subscription_partitions (
    subscription text COLLATE "C" NOT NULL REFERENCES evercore.subscriptions ON DELETE CASCADE,
    number integer NOT NULL CHECK (number >= 0),
    cursor bigint NOT NULL CHECK (cursor >= 0),
    token bigint NOT NULL DEFAULT 0,
    owner text,
    leased_until timestamptz,
    wanted_by text,
    wanted_until timestamptz,
    failure text,
    PRIMARY KEY (subscription, number),
    CHECK ((owner IS NULL) = (leased_until IS NULL))
);

-- No token is ever given twice, not even after a subscription was deleted.
CREATE SEQUENCE evercore.subscription_tokens AS bigint;

-- Parked events, and the later events of their lanes, which wait behind them. A lane is the id of an aggregate or, if
-- the filter says so, a number for the value of a tag.
CREATE TABLE evercore.parked_events (
    subscription text COLLATE "C" NOT NULL REFERENCES evercore.subscriptions ON DELETE CASCADE,
    position bigint NOT NULL,
    lane bigint NOT NULL,
    reason text,
    attempts integer NOT NULL DEFAULT 0,
    parked_at timestamptz NOT NULL,
    redrive boolean NOT NULL DEFAULT false,
    -- The time at which it is redriven automatically.
    redrive_at timestamptz,
    PRIMARY KEY (subscription, position)
);

-- Includes `redrive`, so that the events of a lane that are to be redriven, and those that are not, are found
-- among many.
CREATE INDEX parked_events_by_lane ON evercore.parked_events (subscription, lane, redrive);

-- For heartbeats, which look only for events to redrive, among all that are parked.
CREATE INDEX parked_events_to_redrive ON evercore.parked_events (subscription, parked_at) WHERE redrive;
CREATE INDEX parked_events_by_redrive_time ON evercore.parked_events (subscription, redrive_at)
WHERE redrive_at IS NOT NULL;

-- Parked events that were discarded: they will not be handled.
CREATE TABLE evercore.discarded_events (
    subscription text COLLATE "C" NOT NULL REFERENCES evercore.subscriptions ON DELETE CASCADE,
    position bigint NOT NULL,
    failure text,
    attempts integer NOT NULL,
    parked_at timestamptz NOT NULL,
    discarded_at timestamptz NOT NULL,
    discarded_by text NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (subscription, position)
);

-- Returns the position of the last event that can be read. The frontier itself may lie beyond it, on a position whose
-- transaction was rolled back.
CREATE FUNCTION evercore.head() RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    reachable bigint;
BEGIN
    SELECT f.frontier INTO reachable FROM evercore.frontier() AS f;
    -- A separate statement, so that its snapshot is taken after the look at the locks.
    RETURN (SELECT coalesce(max(e.position), 0) FROM evercore.events e WHERE e.position <= reachable);
END
$$;

-- Acquires a free partition. The outcomes are numbered as in `places.rs`.
CREATE FUNCTION evercore.acquire_lease(
    wanted text,
    who text,
    lasts interval,
    wanted_filter text,
    wanted_partitions integer,
    OUT outcome smallint,
    OUT number integer,
    OUT token bigint,
    OUT cursor bigint,
    OUT has_parked boolean,
    OUT owner text,
    OUT leased_until timestamptz,
    OUT stored_filter text,
    OUT stored_partitions integer
)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    is_paused boolean;
BEGIN
    SELECT s.filter, s.partitions, s.paused
    INTO stored_filter, stored_partitions, is_paused
    FROM evercore.subscriptions s
    WHERE s.name = wanted;

    IF NOT FOUND THEN
        outcome := 3;
        RETURN;
    ELSIF stored_filter <> wanted_filter OR stored_partitions <> wanted_partitions THEN
        outcome := 4;
        RETURN;
    ELSIF is_paused THEN
        outcome := 2;
        RETURN;
    END IF;

    SELECT p.number INTO number
    FROM evercore.subscription_partitions p
    WHERE p.subscription = wanted
        AND (p.leased_until IS NULL OR p.leased_until <= clock_timestamp())
        AND (p.wanted_until IS NULL OR p.wanted_until <= clock_timestamp() OR p.wanted_by = who)
    ORDER BY p.number
    LIMIT 1
    -- A transaction that has locked the row is about to acquire the partition or to move its cursor.
    FOR UPDATE SKIP LOCKED;

    IF NOT FOUND THEN
        outcome := 1;
        SELECT p.owner, p.leased_until INTO owner, leased_until
        FROM evercore.subscription_partitions p
        WHERE p.subscription = wanted AND p.owner IS NOT NULL
        ORDER BY p.leased_until
        LIMIT 1;
        RETURN;
    END IF;

    UPDATE evercore.subscription_partitions p
    SET token = nextval('evercore.subscription_tokens'),
        owner = who,
        leased_until = clock_timestamp() + lasts,
        wanted_by = NULL,
        wanted_until = NULL
    WHERE p.subscription = wanted AND p.number = acquire_lease.number
    RETURNING p.token, p.cursor INTO token, cursor;
    outcome := 0;
    -- The order makes the server stop at the first row: without it, the server may gather all rows first.
    has_parked := (
        SELECT true
        FROM evercore.parked_events k
        WHERE k.subscription = wanted AND k.lane % wanted_partitions = acquire_lease.number
        ORDER BY k.position
        LIMIT 1
    ) IS NOT NULL;
END
$$;

-- Returns the head of the log and the state of leases, and renews those with a duration to renew for.
CREATE FUNCTION evercore.heartbeat(
    subscriptions text[],
    numbers integer[],
    tokens bigint[],
    renewals interval[]
) RETURNS TABLE (head bigint, held boolean, paused boolean, wanted boolean, redrive boolean)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    last bigint;
BEGIN
    IF EXISTS (SELECT FROM unnest(renewals) AS r(lasts) WHERE r.lasts IS NOT NULL) THEN
        UPDATE evercore.subscription_partitions p
        SET leased_until = clock_timestamp() + b.lasts
        FROM unnest(subscriptions, numbers, tokens, renewals)
            AS b(subscription, number, token, lasts)
        WHERE p.subscription = b.subscription
            AND p.number = b.number
            AND p.token = b.token
            AND b.lasts IS NOT NULL;
    END IF;

    last := evercore.head();

    RETURN QUERY
    SELECT
        last,
        p.number IS NOT NULL,
        coalesce(s.paused, false),
        coalesce(p.wanted_until > clock_timestamp(), false),
        -- Each in an order that only its index has, so that the server reads that index, and only up to the first row.
        coalesce(
            (
                SELECT true
                FROM evercore.parked_events k
                WHERE k.subscription = s.name AND k.redrive AND k.lane % s.partitions = p.number
                ORDER BY k.parked_at
                LIMIT 1
            ),
            (
                SELECT true
                FROM evercore.parked_events k
                WHERE k.subscription = s.name
                    AND k.redrive_at <= clock_timestamp()
                    AND k.lane % s.partitions = p.number
                ORDER BY k.redrive_at
                LIMIT 1
            ),
            false
        )
    FROM (SELECT) AS always
    LEFT JOIN unnest(subscriptions, numbers, tokens) WITH ORDINALITY
        AS b(subscription, number, token, n) ON true
    LEFT JOIN evercore.subscription_partitions p
        ON p.subscription = b.subscription AND p.number = b.number AND p.token = b.token
    LEFT JOIN evercore.subscriptions s ON s.name = p.subscription
    ORDER BY b.n;
END
$$;

-- Records the outcome of a batch. Returns 0 if it is recorded now, 1 if it was recorded before, 2 if the lease is not
-- held or the cursor stands elsewhere. With 1 and 2 nothing changes, except that a recorded failure may be cleared.
CREATE FUNCTION evercore.settle(
    settled text,
    settled_number integer,
    settled_token bigint,
    moves_from bigint,
    moves_to bigint,
    unparked bigint,
    failed_with text,
    parked_positions bigint[],
    parked_lanes bigint[],
    parked_reasons text[],
    parked_redrives interval[]
) RETURNS smallint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    stands bigint;
    handled_lane bigint;
BEGIN
    UPDATE evercore.subscription_partitions p
    SET cursor = coalesce(moves_to, p.cursor), failure = failed_with
    WHERE p.subscription = settled
        AND p.number = settled_number
        AND p.token = settled_token
        AND p.cursor = coalesce(moves_from, p.cursor);
    IF NOT FOUND THEN
        SELECT p.cursor INTO stands
        FROM evercore.subscription_partitions p
        WHERE p.subscription = settled AND p.number = settled_number AND p.token = settled_token;
        RETURN CASE WHEN stands = moves_to AND moves_from <> moves_to THEN 1 ELSE 2 END;
    END IF;

    IF unparked IS NOT NULL THEN
        DELETE FROM evercore.parked_events k
        WHERE k.subscription = settled AND k.position = unparked
        RETURNING k.lane INTO handled_lane;
        IF NOT FOUND THEN
            RETURN 1;
        END IF;
        UPDATE evercore.parked_events k
        SET redrive = true
        WHERE k.subscription = settled AND k.lane = handled_lane AND NOT k.redrive;
    END IF;

    IF cardinality(parked_positions) > 0 THEN
        -- An event that waits for an earlier one of its lane is redriven with that one, or at once if that one was
        -- discarded meanwhile.
        INSERT INTO evercore.parked_events AS kept
            (subscription, position, lane, reason, attempts, parked_at, redrive, redrive_at)
        SELECT
            settled,
            n.position,
            n.lane,
            n.reason,
            (n.reason IS NOT NULL)::integer,
            clock_timestamp(),
            EXISTS (
                SELECT
                FROM evercore.parked_events k
                WHERE k.subscription = settled AND k.lane = n.lane AND k.redrive
            )
            OR (
                n.reason IS NULL
                AND NOT EXISTS (
                    SELECT
                    FROM evercore.parked_events k
                    WHERE k.subscription = settled
                        AND k.lane = n.lane
                        AND k.position < n.position
                )
            ),
            clock_timestamp() + n.redrive_after
        FROM unnest(parked_positions, parked_lanes, parked_reasons, parked_redrives)
            AS n(position, lane, reason, redrive_after)
        -- If the cursor does not move, these events were parked before: they are parked again, unless they were
        -- discarded meanwhile.
        WHERE moves_to IS NOT NULL
            OR EXISTS (
                SELECT
                FROM evercore.parked_events k
                WHERE k.subscription = settled AND k.position = n.position
            )
        ON CONFLICT (subscription, position) DO UPDATE
        SET reason = coalesce(excluded.reason, kept.reason),
            attempts = kept.attempts + excluded.attempts,
            parked_at = excluded.parked_at,
            redrive_at = excluded.redrive_at;

        -- An event on which the handler has failed again ends the redrive of its lane. As an array, the lanes are
        -- looked up one by one.
        UPDATE evercore.parked_events k
        SET redrive = false
        WHERE k.subscription = settled
            AND k.redrive
            AND k.lane = ANY (ARRAY(
                SELECT n.lane
                FROM unnest(parked_positions, parked_lanes, parked_reasons)
                    AS n(position, lane, reason)
                JOIN evercore.parked_events still
                    ON still.subscription = settled AND still.position = n.position
                WHERE n.reason IS NOT NULL
            ));
    END IF;
    RETURN 0;
END
$$;

INSERT INTO evercore.evercore_migrations (version, description) VALUES (4, 'subscriptions');
