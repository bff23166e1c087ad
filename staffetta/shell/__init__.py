"""PowerShell's grammar over the operations: pasted scripts run as they stand, and nothing is evaluated but our tree."""
