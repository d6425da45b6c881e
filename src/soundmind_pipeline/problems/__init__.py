"""What a sample is: its table, the verified problem generator, and the shortcuts that a sample set may offer."""
