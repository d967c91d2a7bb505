-- Whether commits are flushed before they are acknowledged, and whether flushing reaches the disk.
SELECT current_setting('synchronous_commit') <> 'off', current_setting('fsync')::boolean
