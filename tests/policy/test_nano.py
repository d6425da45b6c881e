import re

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from soundmind_pipeline.policy.nano import CONTROL_TOKENS, TAGS, build_processor, build_thinker, build_tokenizer
from soundmind_pipeline.policy.params import NanoPolicyParams, TokenizerParams


def test_every_corpus_word_is_one_token(tiny_processor, tiny_texts) -> None:
    tokenizer = tiny_processor.tokenizer
    for text in tiny_texts:
        words = re.findall(r"</?think>| ?[a-zA-Z]+| ?[^a-zA-Z <>]+", text.replace(" <", "<"))
        assert [len(tokenizer.encode(word)) for word in words] == [1] * len(words), text


def test_tags_are_single_tokens_that_stay_in_decoded_text(tiny_processor) -> None:
    tokenizer = tiny_processor.tokenizer
    ids = tokenizer.encode("<think></think><|im_end|>")
    assert len(ids) == 3
    assert tokenizer.decode(ids, skip_special_tokens=True) == "<think></think>"
    assert not set(tokenizer.convert_tokens_to_ids(list(TAGS))) & set(tokenizer.all_special_ids)


@settings(max_examples=200)
@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_any_text_is_encoded_without_loss(tiny_processor, text: str) -> None:
    tokenizer = tiny_processor.tokenizer
    assert tokenizer.decode(tokenizer.encode(text, add_special_tokens=False)) == text


def test_unseen_words_fall_back_to_known_pieces(tiny_processor) -> None:
    tokenizer = tiny_processor.tokenizer
    ids = tokenizer.encode("zyzzyva żółw 🦉 e\u0301")
    assert None not in ids and tokenizer.decode(ids) == "zyzzyva żółw 🦉 e\u0301"


def test_control_tokens_in_train_texts_teach_nothing() -> None:
    params = TokenizerParams(vocab_size=320, min_frequency=1)
    plain = build_tokenizer(["tom is happy"] * 3, params)
    marked = build_tokenizer(["<|im_start|>tom is happy<|im_end|>"] * 3, params)
    assert marked.get_vocab() == plain.get_vocab()


def test_the_vocabulary_has_control_tokens_first_and_keeps_its_bound(tiny_texts) -> None:
    tokenizer = build_tokenizer(tiny_texts, TokenizerParams(vocab_size=310, min_frequency=1))
    assert len(tokenizer) == 310
    assert tokenizer.convert_ids_to_tokens(list(range(len(CONTROL_TOKENS)))) == list(CONTROL_TOKENS)


def test_chat_template_has_no_default_system_prompt_but_renders_one(tiny_processor) -> None:
    user = {"role": "user", "content": [{"type": "audio", "audio": "q"}, {"type": "text", "text": "does it follow?"}]}
    prompt = "<|im_start|>user\n<|audio_bos|><|AUDIO|><|audio_eos|>does it follow?<|im_end|>\n<|im_start|>assistant\n"
    assert tiny_processor.apply_chat_template([user], add_generation_prompt=True) == prompt
    rendered = tiny_processor.apply_chat_template([{"role": "system", "content": "be brief"}, user])
    assert rendered.startswith("<|im_start|>system\nbe brief<|im_end|>\n<|im_start|>user\n")
    assert rendered.endswith("does it follow?<|im_end|>\n")


def test_same_seed_same_weights_and_global_random_state_untouched(tiny_processor, tiny_params) -> None:
    before = torch.get_rng_state()
    first, second = (build_thinker(tiny_params, tiny_processor, seed=3) for _ in range(2))
    other = build_thinker(tiny_params, tiny_processor, seed=4)
    assert torch.equal(before, torch.get_rng_state())
    weights = first.state_dict()
    assert all(torch.equal(weights[name], tensor) for name, tensor in second.state_dict().items())
    assert not torch.equal(weights["lm_head.weight"], other.state_dict()["lm_head.weight"])


def test_default_dimensions_are_those_of_the_nano_recipe(tiny_texts) -> None:
    processor = build_processor(tiny_texts, TokenizerParams())
    model = build_thinker(NanoPolicyParams(), processor, seed=0)
    assert model.lm_head.weight is model.model.language_model.embed_tokens.weight
    weights = sum(p.numel() for name, p in model.named_parameters() if "visual" not in name)
    assert 1.0e6 < weights < 1.8e6
    assert not any(p.requires_grad for p in model.model.visual.parameters())
    assert abs(model.lm_head.weight.std().item() - 0.08) < 0.002
