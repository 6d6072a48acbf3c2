"""transformers' models under our tools, to compare with, where it is installed.

Legend as in :mod:`projects.core.tasks.language.backbones`.
"""

import importlib
from typing import Any

import torch
import torch.nn.functional as F
from mmengine.config import Config
from torch import Tensor

from projects.core.config.find import TRANSFORMERS
from projects.core.errors import UserError, did_you_mean
from projects.core.tasks.language.backbones import (
    EncoderDecoderBackbone,
    SequenceBackbone,
    padding_mask,
)
from projects.core.tasks.language.benchmark import masked_labels
from projects.core.tasks.language.models import SequenceModel, token_loss
from projects.core.tasks.language.scores import token_scores
from projects.registry import MODELS

GPT2 = dict(net='GPT2LMHeadModel', config='GPT2Config')
BERT = dict(net='BertForPreTraining', config='BertConfig')
#: class, its config's class and the settings of it, by the name of our variant
NETS: dict[str, dict[str, Any]] = {
    'gpt1': dict(net='OpenAIGPTLMHeadModel', config='OpenAIGPTConfig'),
    'gpt2_small': GPT2,
    'gpt2_medium': {**GPT2, 'n_embd': 1024, 'n_layer': 24, 'n_head': 16},
    'gpt2_large': {**GPT2, 'n_embd': 1280, 'n_layer': 36, 'n_head': 20},
    'gpt2_xl': {**GPT2, 'n_embd': 1600, 'n_layer': 48, 'n_head': 25},
    'bert_base': BERT,
    'bert_large': {
        **BERT,
        'hidden_size': 1024,
        'num_hidden_layers': 24,
        'num_attention_heads': 16,
        'intermediate_size': 4096,
    },
    # the paper's counts: one matrix for both languages and the output
    'transformer_base': dict(
        net='MarianMTModel',
        config='MarianConfig',
        vocab_size=37000,
        d_model=512,
        encoder_layers=6,
        decoder_layers=6,
        encoder_attention_heads=8,
        decoder_attention_heads=8,
        encoder_ffn_dim=2048,
        decoder_ffn_dim=2048,
        activation_function='relu',
        scale_embedding=True,
        max_position_embeddings=512,
        pad_token_id=0,
        decoder_start_token_id=0,
        eos_token_id=1,
        forced_eos_token_id=1,
    ),
}


def transformers_config(name: str) -> Config:
    """Config of transformers' model of one of our variants, untrained.

    Args:
        name: As in ``transformers.gpt2_small``.

    Raises:
        UserError: If transformers is not installed, or has none of that name.
    """
    arch = name.removeprefix(TRANSFORMERS)
    if arch not in NETS:
        raise UserError(
            f"transformers' '{arch}' is not known here"
            + (did_you_mean(arch, NETS) or f'; there are {", ".join(NETS)}')
        )
    try:
        importlib.import_module('transformers')
    except ImportError as error:
        raise UserError(
            f'{name}: transformers is not installed; pip install transformers'
        ) from error
    model, backbone = {
        'MarianMTModel': ('EncoderDecoder', 'TransformersTranslator'),
        'BertForPreTraining': ('TransformersPreTraining', 'TransformersEncoder'),
    }.get(NETS[arch]['net'], ('CausalLanguageModel', 'TransformersLanguageModel'))
    backbone = dict(type=f'projects.{backbone}', arch=arch)
    model = dict(type=f'projects.{model}', backbone=backbone)
    return Config(dict(default_scope='mmengine', model=model))


def _build(arch: str):
    """The untrained model."""
    library = importlib.import_module('transformers')
    settings = dict(NETS[arch])
    net = getattr(library, settings.pop('net'))
    return net(getattr(library, settings.pop('config'))(**settings))


def attention_mask(lengths: Tensor | None, num_tokens: int) -> Tensor | None:
    """As transformers wants it: 1 at tokens, 0 at padding."""
    mask = padding_mask(lengths, num_tokens)
    return None if mask is None else mask.long()


@MODELS.register_module()
class TransformersLanguageModel(SequenceBackbone):
    """A language model of transformers.

    Args:
        arch: A key of ``NETS``.
    """

    def __init__(self, arch: str) -> None:
        super().__init__()
        self.net = _build(arch)
        self.net.config.use_cache = False  # as in its own training
        self.vocab_size = self.net.config.vocab_size
        self.embed_dims = self.net.config.n_embd
        self.max_length = self.net.config.n_positions

    def forward(
        self,
        tokens: Tensor,
        lengths: Tensor | None = None,
        state: Any = None,
        token_types: Tensor | None = None,
    ) -> tuple[Tensor, Any]:
        mask = attention_mask(lengths, tokens.shape[1])
        hidden = self.net.transformer(tokens, attention_mask=mask)
        return hidden.last_hidden_state, None

    def logits(self, hidden: Tensor) -> Tensor:
        return self.net.lm_head(hidden)


@MODELS.register_module()
class TransformersEncoder(SequenceBackbone):
    """transformers' BERT with what it is pre-trained by; gives scores.

    Args:
        arch: A key of ``NETS``.
    """

    def __init__(self, arch: str) -> None:
        super().__init__()
        self.net = _build(arch)
        self.vocab_size = self.net.config.vocab_size
        self.embed_dims = self.net.config.hidden_size
        self.max_length = self.net.config.max_position_embeddings

    def forward(
        self,
        tokens: Tensor,
        lengths: Tensor | None = None,
        state: Any = None,
        token_types: Tensor | None = None,
    ) -> tuple[Tensor, Any]:
        """(B, T, V) scores, and in the place of a state (B, 2), of pairs."""
        mask = attention_mask(lengths, tokens.shape[1])
        outs = self.net(tokens, attention_mask=mask, token_type_ids=token_types)
        return outs.prediction_logits, outs.seq_relationship_logits


@MODELS.register_module()
class TransformersPreTraining(SequenceModel):
    """Masked tokens and pairs of texts, on :class:`TransformersEncoder`.

    Args:
        backbone: Config of that.
        **kwargs: Of :class:`~projects.core.tasks.language.models.SequenceModel`.
    """

    def network(self, inputs: dict) -> tuple[Tensor, Tensor]:
        return self.backbone(
            inputs['tokens'],
            inputs.get('lengths'),
            token_types=inputs.get('token_types'),
        )

    def losses(
        self, outs: tuple[Tensor, Tensor], data_samples: dict
    ) -> dict[str, Tensor]:
        scores, pairs = outs
        return dict(
            loss_tokens=token_loss(scores, data_samples['labels']),
            loss_pairs=F.cross_entropy(pairs, data_samples['pair_labels']),
        )

    def predictions(
        self, outs: tuple[Tensor, Tensor], data_samples: dict
    ) -> list[dict]:
        return token_scores(outs[0], data_samples['labels'])

    def random_labels(self, tokens: list[Tensor], rng: torch.Generator) -> dict:
        return masked_labels(tokens, rng)

    def answer(self, texts: list[str], tokenizer, meta: dict) -> list[dict]:
        raise NotImplementedError('only to compare with')

    def shown(self, row: dict) -> str:
        raise NotImplementedError('only to compare with')


@MODELS.register_module()
class TransformersTranslator(EncoderDecoderBackbone):
    """An encoder-decoder of transformers.

    Args:
        arch: A key of ``NETS``.
    """

    def __init__(self, arch: str) -> None:
        super().__init__()
        self.net = _build(arch)
        self.source_vocab_size = self.vocab_size = self.net.config.vocab_size
        self.max_length = self.net.config.max_position_embeddings

    def encode(self, source: Tensor, lengths: Tensor | None = None) -> Any:
        mask = attention_mask(lengths, source.shape[1])
        hidden = self.net.model.encoder(source, attention_mask=mask)
        return hidden.last_hidden_state, mask

    def decode(
        self, target: Tensor, memory: Any, state: Any = None
    ) -> tuple[Tensor, Any]:
        hidden, mask = memory
        outs = self.net.model.decoder(
            target,
            encoder_hidden_states=hidden,
            encoder_attention_mask=mask,
            use_cache=False,
        )
        scores = self.net.lm_head(outs.last_hidden_state)
        return scores + self.net.final_logits_bias, None

    def begin(self, memory: Any, max_length: int) -> Any:
        raise NotImplementedError('transformers writes by its own generate')
