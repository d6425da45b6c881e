"""Text to speech behind one interface: espeak-ng, Piper and Kokoro, each in processes of its own."""
