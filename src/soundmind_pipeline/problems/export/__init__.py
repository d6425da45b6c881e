"""Export of a manifest in the layout in which SoundMind is published, with a dataset card and checksums."""
