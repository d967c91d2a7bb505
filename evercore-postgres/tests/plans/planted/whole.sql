SELECT count(*) FROM evercore.aggregates WHERE natural_key = 'account 7'
