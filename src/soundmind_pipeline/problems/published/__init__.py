"""Readers of published data: SoundMind's annotation files and the LogiQA 2.0-NLI lines that they were built from.

Every reader yields typed rows with their line, and a :class:`~.lines.BadRow` in the place of each that it cannot use.
"""
