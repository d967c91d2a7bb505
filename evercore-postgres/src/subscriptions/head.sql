SELECT evercore.head()
