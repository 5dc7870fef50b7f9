"""Ways to place executions, and nothing else."""
