-- Returns whether commits are flushed before they are acknowledged, whether flushing reaches the disk, whether a page
-- that was half written in a crash is repaired, and the encoding of texts.
SELECT
    current_setting('synchronous_commit') <> 'off',
    current_setting('fsync')::boolean,
    current_setting('full_page_writes')::boolean,
    current_setting('server_encoding')
