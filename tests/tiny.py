"""Tiny untrained models with a span head, made on the fly; their answers are arbitrary but
deterministic.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForQuestionAnswering,
    DistilBertConfig,
    DistilBertForQuestionAnswering,
    MPNetConfig,
    MPNetForQuestionAnswering,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForQuestionAnswering,
)

from rag.models.bert import Bert
from rag.models.qa_heads import Window, windows_of

_LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,?!"
_SPECIAL = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep")}


_SIZES = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 32}


def bert(folder: Path, head: bool = True) -> Path:
    """A BERT: WordPiece of single letters, token types. `head` adds a span head."""
    torch.manual_seed(7)
    config = BertConfig(vocab_size=96, num_hidden_layers=1, max_position_embeddings=512, **_SIZES)
    (BertForQuestionAnswering if head else BertForMaskedLM)(config).save_pretrained(folder)
    wordpiece_tokenizer().save_pretrained(folder)
    return folder


def embedder(folder: Path) -> Path:
    """A BERT in sentence-transformers' old layout."""
    bert(folder, head=False)
    parts = [("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize")]
    modules = [
        {"idx": n, "name": f"{n}", "path": folder_name, "type": f"sentence_transformers.models.{t}"}
        for n, (t, folder_name) in enumerate(parts)
    ]
    written = {
        "modules.json": modules,
        "config_sentence_transformers.json": {},
        "sentence_bert_config.json": {"max_seq_length": 64},
        "1_Pooling/config.json": {"word_embedding_dimension": 16, "pooling_mode_mean_tokens": True},
    }
    for _, folder_name in parts:
        (folder / folder_name).mkdir(exist_ok=True)
    for name, content in written.items():
        (folder / name).write_text(json.dumps(content))
    return folder


def distilbert(folder: Path) -> Path:
    """A DistilBERT: no token types, and other names for hidden_size and hidden_dropout_prob."""
    torch.manual_seed(7)
    config = DistilBertConfig(
        vocab_size=96, dim=16, n_layers=1, n_heads=2, hidden_dim=32, max_position_embeddings=512
    )
    DistilBertForQuestionAnswering(config).save_pretrained(folder)
    tokenizer = wordpiece_tokenizer()
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    tokenizer.save_pretrained(folder)
    return folder


def spaced(folder: Path) -> Path:
    """A BERT whose tokens include the space before their word, as with SentencePiece."""
    bert(folder)
    word_tokenizer(pre_tokenizers.Metaspace()).save_pretrained(folder)
    return folder


def word_tokenizer(splitter: pre_tokenizers.PreTokenizer) -> PreTrainedTokenizerFast:
    """A tokenizer whose tokens are the words that `splitter` makes, all of them unknown."""
    vocabulary = {token: i for i, token in enumerate(_SPECIAL.values())}
    return _fast(Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]")), splitter)


def wordpiece_tokenizer() -> PreTrainedTokenizerFast:
    letters = [*_LETTERS, *("##" + letter for letter in _LETTERS)]
    vocabulary = {token: i for i, token in enumerate([*_SPECIAL.values(), *letters])}
    pieces = models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100)
    tokenizer = Tokenizer(pieces)
    tokenizer.normalizer = normalizers.BertNormalizer()
    return _fast(tokenizer, pre_tokenizers.BertPreTokenizer())


def windows(tokenizer: Any, question: str, context: str, text: str, **sizes: int) -> list[Window]:
    """The windows over one passage."""
    return windows_of(tokenizer, question, [(context, text)], **sizes)[0]


def _fast(tokenizer: Tokenizer, splitter: pre_tokenizers.PreTokenizer) -> PreTrainedTokenizerFast:
    tokenizer.pre_tokenizer = splitter
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **_SPECIAL)


def roberta(folder: Path) -> Path:
    """A RoBERTa: byte-level pieces, no token types."""
    torch.manual_seed(11)
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate(["<s>", "<pad>", "</s>", "<unk>", *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocabulary, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False
    )
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        unk_token="<unk>",
        cls_token="<s>",
        sep_token="</s>",
        model_input_names=["input_ids", "attention_mask"],
    )
    config = RobertaConfig(
        vocab_size=len(vocabulary),
        num_hidden_layers=1,
        max_position_embeddings=520,
        type_vocab_size=1,
        pad_token_id=1,
        **_SIZES,
    )
    RobertaForQuestionAnswering(config).save_pretrained(folder)
    wrapped.save_pretrained(folder)
    return folder


def mpnet(folder: Path) -> Path:
    """An MPNet with a span head: relative position biases, positions that start after the
    padding's.
    """
    torch.manual_seed(7)
    config = MPNetConfig(vocab_size=96, num_hidden_layers=2, max_position_embeddings=514, **_SIZES)
    MPNetForQuestionAnswering(config).save_pretrained(folder)
    wordpiece_tokenizer().save_pretrained(folder)
    return folder


Lesson = tuple[str, str, str, int]
"""(question, title, text, the index of its verdict: yes, no, neither, depends)"""


def four_verdicts(folder: Path, lessons: Sequence[Lesson] = (), otherwise: int = 3) -> Path:
    """`three_heads` whose verdict head has a fourth output, "depends". It says `otherwise` to
    everything, but for a few lessons: one layer, solved on the encoder's states. After lessons,
    what it says to other texts is arbitrary.
    """
    three_heads(folder)
    path = folder / "model.safetensors"
    weights = load_file(path)

    bias = torch.full((4,), -LEARNT)
    bias[otherwise] = LEARNT
    read, answers = Bert(folder), torch.full((len(lessons), 4), -LEARNT)
    rows = [torch.zeros(16)]
    for number, (question, title, text, verdict) in enumerate(lessons):
        ((window,),) = windows_of(read.tokenizer, question, [(title, text)])
        (states,) = read.states([window.encoding.ids], [window.encoding.type_ids])
        dense = states[0] @ weights["verdict_dense.weight"].T + weights["verdict_dense.bias"]
        rows.append(torch.tanh(dense))
        answers[number, verdict] = LEARNT

    targets = torch.cat([torch.zeros(1, 4), answers - bias])
    solved = torch.linalg.pinv(torch.stack(rows).double()) @ targets.double()
    weights["verdict_outputs.weight"] = solved.T.float().contiguous()
    weights["verdict_outputs.bias"] = bias
    save_file(weights, path, {"format": "pt"})
    return folder


LEARNT = 4.0
"""Logit of the verdict that a lesson teaches; the others have its negative."""


def three_heads(folder: Path) -> Path:
    """`bert` with a sentence head and a verdict head."""
    bert(folder)
    path = folder / "model.safetensors"
    weights = load_file(path)
    sizes = {"sentence_outputs": (1, 16), "verdict_dense": (16, 16), "verdict_outputs": (3, 16)}
    for name, size in sizes.items():
        weights[f"{name}.weight"] = torch.randn(size)
        weights[f"{name}.bias"] = torch.randn(size[0])
    save_file(weights, path, {"format": "pt"})
    return folder
