"""``python -m soundmind_pipeline`` is the ``soundmind`` command."""

from soundmind_pipeline.commands.main import main

if __name__ == "__main__":
    main()
