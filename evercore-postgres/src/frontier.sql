SELECT evercore.frontier()
