-- The time-outs of the application's role, where a pooler keeps the engine from setting its own. Run as a superuser.

ALTER ROLE bank_app SET statement_timeout = '20s';
ALTER ROLE bank_app SET lock_timeout = '10s';
ALTER ROLE bank_app SET idle_in_transaction_session_timeout = '30s';
ALTER ROLE bank_app SET jit = off;
