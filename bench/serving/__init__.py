"""The server under load: how soon a job begins and ends, how many a second, and what a hundred thousand that wait cost."""
