-- $1: the mark that the transaction was begun with
SELECT coalesce(current_setting('evercore.transaction', true), '') = $1
