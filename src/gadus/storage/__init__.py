"""Places that data comes from; the file name is the word that users type as the source type, in lower case."""
