"""Speech to text behind one interface: faster-whisper folders, and any recogniser of transformers."""
