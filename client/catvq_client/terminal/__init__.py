"""What commands share: the connection, options, exit codes, progress, tables and JSON."""
