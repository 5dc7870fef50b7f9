"""What people write after a command, and the job that it means."""
