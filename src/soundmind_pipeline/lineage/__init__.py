"""Where artifacts come from: records of how each was made, the chain back to raw data, and what is out of date."""
