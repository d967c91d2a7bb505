-- $1 the number of accounts, $2 the number of deposits of each
INSERT INTO events
SELECT 'account', 'account-' || account, sequence, event_type, event_version, payload,
    json_build_object('time', time, 'user', 'teller-' || account % 3, 'ip', '10.0.0.' || account)
FROM generate_series(1, $1) AS account
CROSS JOIN LATERAL (
    SELECT 1 AS sequence, 'AccountOpened' AS event_type, '1.0' AS event_version,
        json_build_object('AccountOpened', json_build_object('owner', 'Ada ' || account)) AS payload
    UNION ALL
    SELECT deposit + 1, 'MoneyDeposited',
        CASE deposit WHEN 1 THEN '1.0' ELSE '2.0' END,
        json_build_object(
            'MoneyDeposited',
            CASE deposit WHEN 1 THEN json_build_object('euros', account) ELSE json_build_object('cents', deposit) END
        )
    FROM generate_series(1, $2) AS deposit
    UNION ALL
    SELECT $2 + 2, 'MoneyWithdrawn', '1.0', json_build_object('MoneyWithdrawn', json_build_object('cents', 7))
    UNION ALL
    SELECT $2 + 3, 'AccountClosed', '1.0', to_json('AccountClosed'::text) WHERE account % 2 = 0
) AS event
CROSS JOIN LATERAL (
    SELECT to_char(timestamp '2020-01-01' + sequence * interval '1 hour', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS time
) AS timed
