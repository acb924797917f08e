"""The guard of a recognizer that is queried."""
