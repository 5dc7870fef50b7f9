"""What is studied: each study makes rounds of runs on a stand."""
