-- Whether commits are flushed before they are acknowledged, whether flushing reaches the disk, whether a page that a crash
-- has cut in two is mended, and in which encoding texts are kept.
SELECT
    current_setting('synchronous_commit') <> 'off',
    current_setting('fsync')::boolean,
    current_setting('full_page_writes')::boolean,
    current_setting('server_encoding')
