-- Durable subscriptions.

CREATE TABLE evercore.subscriptions (
    name text COLLATE "C" PRIMARY KEY CHECK (octet_length(name) BETWEEN 1 AND 128),
    -- What it follows, as JSON; the same text for the same filter.
    filter text NOT NULL,
    partitions integer NOT NULL CHECK (partitions > 0),
    paused boolean NOT NULL DEFAULT false
);

-- Each moves on by itself. A lease is held by the token, not by the owner's name, and ends at `leased_until`.
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

-- Events that were put aside, and those that wait behind them.
CREATE TABLE evercore.parked_events (
    subscription text COLLATE "C" NOT NULL REFERENCES evercore.subscriptions ON DELETE CASCADE,
    position bigint NOT NULL,
    aggregate_id bigint NOT NULL,
    reason text,
    attempts integer NOT NULL DEFAULT 0,
    parked_at timestamptz NOT NULL,
    redrive boolean NOT NULL DEFAULT false,
    -- When it is redriven by itself.
    redrive_at timestamptz,
    PRIMARY KEY (subscription, position)
);

-- With `redrive`, so that those of an aggregate that are to be redriven, and those that are not, are found among many.
CREATE INDEX parked_events_by_aggregate ON evercore.parked_events (subscription, aggregate_id, redrive);

-- For heartbeats, which look for what is to be redriven and not at all that is parked.
CREATE INDEX parked_events_to_redrive ON evercore.parked_events (subscription, parked_at) WHERE redrive;
CREATE INDEX parked_events_by_redrive_time ON evercore.parked_events (subscription, redrive_at)
WHERE redrive_at IS NOT NULL;

-- Parked events that will not be handled, and why.
CREATE TABLE evercore.discarded_events (
    subscription text COLLATE "C" NOT NULL REFERENCES evercore.subscriptions ON DELETE CASCADE,
    position bigint NOT NULL,
    aggregate_id bigint NOT NULL,
    failure text,
    attempts integer NOT NULL,
    parked_at timestamptz NOT NULL,
    discarded_at timestamptz NOT NULL,
    discarded_by text NOT NULL,
    reason text NOT NULL,
    PRIMARY KEY (subscription, position)
);

-- The last event that can be read. The frontier alone may lie beyond it, on a position that was drawn in vain.
CREATE FUNCTION evercore.head() RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    reachable bigint;
BEGIN
    SELECT f.frontier INTO reachable FROM evercore.frontier() AS f;
    -- A statement of its own: its snapshot is taken after the look at the locks.
    RETURN (SELECT coalesce(max(e.position), 0) FROM evercore.events e WHERE e.position <= reachable);
END
$$;

-- Takes a partition that is free. The outcomes are numbered as in `places.rs`.
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
    -- Whoever has the row is about to take it, or to move it on.
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
    -- In an order, for the server to stop at the first one: without, it may gather all of them before it looks.
    has_parked := (
        SELECT true
        FROM evercore.parked_events k
        WHERE k.subscription = wanted AND k.aggregate_id % wanted_partitions = acquire_lease.number
        ORDER BY k.position
        LIMIT 1
    ) IS NOT NULL;
END
$$;

-- Looks at the end of the log and at leases, and renews those that have a span to be renewed for.
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
        -- Each in the order of its index, which no other index has: it is the one that is read, and no further than to
        -- the first one.
        coalesce(
            (
                SELECT true
                FROM evercore.parked_events k
                WHERE k.subscription = s.name AND k.redrive AND k.aggregate_id % s.partitions = p.number
                ORDER BY k.parked_at
                LIMIT 1
            ),
            (
                SELECT true
                FROM evercore.parked_events k
                WHERE k.subscription = s.name
                    AND k.redrive_at <= clock_timestamp()
                    AND k.aggregate_id % s.partitions = p.number
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

-- Records what became of a batch: 0 if it is recorded now, 1 if it had been before, 2 if the lease is not held or the
-- cursor stands elsewhere. In 1 and 2 nothing is changed, but for a failure that is forgotten.
CREATE FUNCTION evercore.settle(
    settled text,
    settled_number integer,
    settled_token bigint,
    moves_from bigint,
    moves_to bigint,
    unparked bigint,
    failed_with text,
    parked_positions bigint[],
    parked_aggregates bigint[],
    parked_reasons text[],
    parked_redrives interval[]
) RETURNS smallint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
    stands bigint;
    handled_aggregate bigint;
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
        RETURNING k.aggregate_id INTO handled_aggregate;
        IF NOT FOUND THEN
            RETURN 1;
        END IF;
        UPDATE evercore.parked_events k
        SET redrive = true
        WHERE k.subscription = settled AND k.aggregate_id = handled_aggregate AND NOT k.redrive;
    END IF;

    IF cardinality(parked_positions) > 0 THEN
        -- One that waits for an earlier one of its aggregate is redriven when that one is, or at once where that one was
        -- discarded meanwhile.
        INSERT INTO evercore.parked_events AS kept
            (subscription, position, aggregate_id, reason, attempts, parked_at, redrive, redrive_at)
        SELECT
            settled,
            n.position,
            n.aggregate_id,
            n.reason,
            (n.reason IS NOT NULL)::integer,
            clock_timestamp(),
            EXISTS (
                SELECT
                FROM evercore.parked_events k
                WHERE k.subscription = settled AND k.aggregate_id = n.aggregate_id AND k.redrive
            )
            OR (
                n.reason IS NULL
                AND NOT EXISTS (
                    SELECT
                    FROM evercore.parked_events k
                    WHERE k.subscription = settled
                        AND k.aggregate_id = n.aggregate_id
                        AND k.position < n.position
                )
            ),
            clock_timestamp() + n.redrive_after
        FROM unnest(parked_positions, parked_aggregates, parked_reasons, parked_redrives)
            AS n(position, aggregate_id, reason, redrive_after)
        -- Without a cursor that moves they are parked anew, unless they were discarded meanwhile.
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

        -- What a handler has failed on again ends the redrive of its aggregate. As an array, its aggregates are looked up
        -- one by one.
        UPDATE evercore.parked_events k
        SET redrive = false
        WHERE k.subscription = settled
            AND k.redrive
            AND k.aggregate_id = ANY (ARRAY(
                SELECT n.aggregate_id
                FROM unnest(parked_positions, parked_aggregates, parked_reasons)
                    AS n(position, aggregate_id, reason)
                JOIN evercore.parked_events still
                    ON still.subscription = settled AND still.position = n.position
                WHERE n.reason IS NOT NULL
            ));
    END IF;
    RETURN 0;
END
$$;

INSERT INTO evercore.evercore_migrations (version, description) VALUES (4, 'subscriptions');
