"""The text of a job file on its way to a JobSpec, or to all the reasons why it is none."""
