"""What is in a set of annotations before anybody trains on it: conflicts, duplicates, leaks, lengths, source labels."""
