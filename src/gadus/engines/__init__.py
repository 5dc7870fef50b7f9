"""Ways to run a program; the file name is the word that users type as the engine type."""
