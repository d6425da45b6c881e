"""Counting tokens with a tokenizer that is at hand, without torch."""

from pathlib import Path

from soundmind_pipeline.audit.rows import CountTokens
from soundmind_pipeline.errors import SoundmindError


def load_counter(folder: Path) -> CountTokens:
    """A function that counts the tokens of a text, special tokens not added.

    Args:
        folder: A model or tokenizer folder with ``tokenizer.json``, or that file.

    Raises:
        SoundmindError: If there is no such file, or it is no tokenizer.
    """
    from tokenizers import Tokenizer

    path = folder / "tokenizer.json" if folder.is_dir() else folder
    if not path.is_file():
        hint = "give a folder with a tokenizer.json, or leave --tokenizer out to count words"
        raise SoundmindError(f"{path}: no such file", hint=hint)
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises a bare Exception
        raise SoundmindError(f"{path}: no tokenizer ({error})", hint="give another folder to --tokenizer") from None
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)
