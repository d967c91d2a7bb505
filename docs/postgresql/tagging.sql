-- What a backfill of tags needs beside the grants of the application. Run as the owner, and revoke it afterwards.

GRANT UPDATE (tags) ON evercore.events TO bank_app;
GRANT UPDATE (done) ON evercore.event_type_tags TO bank_app;
