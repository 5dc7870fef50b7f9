"""What people see: progress, tables, endings and errors."""
