"""Speech: making it, reading it, and turning it into what the model hears."""
