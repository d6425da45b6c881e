import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from soundmind_pipeline.audit.tokens import load_counter
from soundmind_pipeline.errors import SoundmindError


@pytest.fixture
def folder(tmp_path):
    tokenizer = Tokenizer(models.WordLevel({"[UNK]": 0, "a": 1, "b": 2, ",": 3, "<s>": 4}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 4)])
    tokenizer.enable_truncation(2)
    tokenizer.save(str(tmp_path / "tokenizer.json"))
    return tmp_path


def test_tokens_without_special_ones_and_without_truncation(folder):
    for path in (folder, folder / "tokenizer.json"):
        count = load_counter(path)
        assert [count("a, b"), count("a b a b a"), count("")] == [3, 5, 0]


def test_folders_without_tokenizer(tmp_path):
    with pytest.raises(SoundmindError, match=r"tokenizer\.json: no such file"):
        load_counter(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(SoundmindError, match=r"tokenizer\.json: no tokenizer"):
        load_counter(tmp_path)
