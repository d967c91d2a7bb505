SELECT aggregate, event, name, state, done
FROM evercore.read_declared()
