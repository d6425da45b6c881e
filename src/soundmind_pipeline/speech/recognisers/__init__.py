"""Speech to text behind one interface: faster-whisper folders, and Whisper and CTC models of transformers."""
