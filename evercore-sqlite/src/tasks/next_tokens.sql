-- ?1 number of tokens
UPDATE task_tokens SET last = last + ?1 WHERE only_row = 1 RETURNING last;
