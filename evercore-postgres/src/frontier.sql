SELECT frontier, drawn FROM evercore.frontier()
