"""One execution on one machine: stage, prepare, run, keep the results."""
