"""BERT, after Devlin, Chang, Lee, Toutanova, "BERT: Pre-training of Deep
Bidirectional Transformers for Language Understanding", NAACL 2019, Sec. 3,
https://arxiv.org/abs/1810.04805.

Its layers are the encoder's of Vaswani et al., "Attention Is All You Need", NIPS
2017, with the norm after each sum. Names of weights are those of transformers'
``BertModel``.

Legend: B sequences, T tokens, D width, N heads.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from projects.core.layers import ScaledDotProductAttention
from projects.core.layers.backbone import LayerGroups
from projects.core.tasks.attention_recording import recorded_attention
from projects.core.tasks.language.backbones import SequenceBackbone, hiding_mask
from projects.registry import MODELS

NORM_EPS = 1e-12


class Embeddings(nn.Module):
    """What a token is, where it is and which of two texts it is of, summed (Fig. 2).

    Maps (B, T) tokens and token types to (B, T, D).
    """

    def __init__(
        self,
        vocab_size: int,
        embed_dims: int,
        max_length: int,
        num_token_types: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.word_embeddings = nn.Embedding(vocab_size, embed_dims)
        self.position_embeddings = nn.Embedding(max_length, embed_dims)
        self.token_type_embeddings = nn.Embedding(num_token_types, embed_dims)
        self.LayerNorm = nn.LayerNorm(embed_dims, NORM_EPS)
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor, token_types: Tensor | None) -> Tensor:
        if token_types is None:
            types = self.token_type_embeddings.weight[0]
        else:
            types = self.token_type_embeddings(token_types)
        positions = self.position_embeddings.weight[: tokens.shape[1]]
        embedded = self.word_embeddings(tokens) + types + positions
        return self.dropout(self.LayerNorm(embedded))


class SelfAttention(nn.Module):
    """Every token asks all tokens, those before it and those behind it.

    Maps (B, T, D) to (B, T, D), by N heads of D / N channels.
    """

    def __init__(
        self, embed_dims: int, num_heads: int, dropout: float, fused: bool
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Linear(embed_dims, embed_dims)
        self.key = nn.Linear(embed_dims, embed_dims)
        self.value = nn.Linear(embed_dims, embed_dims)
        self.attention = ScaledDotProductAttention(fused, dropout)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        query, key, value = (
            layer(x).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for layer in (self.query, self.key, self.value)
        )  # (B, N, T, D / N)
        return self.attention(query, key, value, mask).transpose(1, 2).flatten(2)


class AddAndNorm(nn.Module):
    """A linear layer to D channels, added to what came before, then the norm."""

    def __init__(self, in_features: int, embed_dims: int, dropout: float) -> None:
        super().__init__()
        self.dense = nn.Linear(in_features, embed_dims)
        self.LayerNorm = nn.LayerNorm(embed_dims, NORM_EPS)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, before: Tensor) -> Tensor:
        return self.LayerNorm(before + self.dropout(self.dense(x)))


class EncoderLayer(nn.Module):
    """Attention, then two linear layers for each token; each with a sum and a norm.

    Maps (B, T, D) to (B, T, D).
    """

    def __init__(
        self,
        embed_dims: int,
        num_heads: int,
        mlp_dims: int,
        dropout: float,
        fused: bool,
    ) -> None:
        super().__init__()
        self.attention = nn.ModuleDict(
            {
                'self': SelfAttention(embed_dims, num_heads, dropout, fused),
                'output': AddAndNorm(embed_dims, embed_dims, dropout),
            }
        )
        self.intermediate = nn.ModuleDict(dict(dense=nn.Linear(embed_dims, mlp_dims)))
        self.output = AddAndNorm(mlp_dims, embed_dims, dropout)

    def forward(self, x: Tensor, mask: Tensor | None) -> Tensor:
        x = self.attention['output'](self.attention['self'](x, mask), x)
        return self.output(F.gelu(self.intermediate['dense'](x)), x)


@MODELS.register_module()
class BERT(SequenceBackbone):
    """Encoder that sees each token with all others, on its left and on its right.

    Maps (B, T) tokens to (B, T, D) hidden states; :meth:`summary` of them is (B, D)
    for the whole text, read off its first token, which is to be ``[CLS]``. It keeps
    no state: nothing can be said of a token before all of them are there.

    Args:
        vocab_size: V, tokens of the vocabulary.
        embed_dims: D.
        num_layers: Encoder layers.
        num_heads: N, a divisor of D.
        mlp_dims: Width between the two linear layers of an encoder layer.
        max_length: Positions.
        num_token_types: Texts that are told apart within a sequence.
        pooler: Whether there is a layer for :meth:`summary`; a model of masked
            tokens alone has no use of it.
        dropout: Probability, of attention weights and of what each layer adds.
        fused_attention: Whether attention is computed by torch's kernel; False for
            the form that is written out.
        init_cfg: See :class:`mmengine.model.BaseModule`.

    Raises:
        ValueError: If the heads do not share D evenly.
    """

    def __init__(
        self,
        vocab_size: int = 30522,
        embed_dims: int = 768,
        num_layers: int = 12,
        num_heads: int = 12,
        mlp_dims: int = 3072,
        max_length: int = 512,
        num_token_types: int = 2,
        pooler: bool = True,
        dropout: float = 0.1,
        fused_attention: bool = True,
        init_cfg: dict | list | None = None,
    ) -> None:
        # the authors' code: a normal distribution of 0.02, biases of 0
        super().__init__(
            init_cfg or dict(type='Normal', layer=['Linear', 'Embedding'], std=0.02)
        )
        if embed_dims % num_heads:
            raise ValueError(
                f'num_heads {num_heads} does not divide embed_dims {embed_dims}'
            )
        self.vocab_size = vocab_size
        self.embed_dims = embed_dims
        self.max_length = max_length
        self.embeddings = Embeddings(
            vocab_size, embed_dims, max_length, num_token_types, dropout
        )
        layers = [
            EncoderLayer(embed_dims, num_heads, mlp_dims, dropout, fused_attention)
            for _ in range(num_layers)
        ]
        self.encoder = nn.ModuleDict(dict(layer=nn.ModuleList(layers)))
        if pooler:
            dense = nn.Linear(embed_dims, embed_dims)
            self.pooler = nn.ModuleDict(dict(dense=dense))

    def forward(
        self,
        tokens: Tensor,
        lengths: Tensor | None = None,
        state: None = None,
        token_types: Tensor | None = None,
    ) -> tuple[Tensor, None]:
        """See :class:`~projects.core.tasks.language.backbones.SequenceBackbone`.

        Raises:
            UserError: If there are more tokens than positions.
            ValueError: If there is a state: tokens that came before would have to
                be read again.
        """
        if state is not None:
            raise ValueError('a state, but BERT reads a text at once')
        self.check_length(tokens.shape[1])
        x = self.embeddings(tokens, token_types)
        mask = hiding_mask(lengths, tokens.shape[1], x)
        for layer in self.encoder['layer']:
            x = layer(x, mask)
        return x, None

    def summary(self, hidden: Tensor, lengths: Tensor | None = None) -> Tensor:
        """(B, D) of whole texts: the first token's, through a layer and tanh.

        Raises:
            ValueError: If the backbone was built without ``pooler``.
        """
        if not hasattr(self, 'pooler'):
            raise ValueError('this BERT was built with pooler=False')
        return self.pooler['dense'](hidden[:, 0]).tanh()

    def layer_groups(self) -> LayerGroups:
        """The embeddings, and each layer; what is above them has the full rate."""
        return [[self.embeddings], *([layer] for layer in self.encoder['layer'])]

    @torch.no_grad()
    def attention_maps(self, inputs: dict) -> dict[str, Tensor]:
        """(B, N, T, T) attention of each layer, queries by keys, by its name.

        Args:
            inputs: ``tokens`` and, where there are such, ``lengths`` and
                ``token_types``.
        """
        with recorded_attention(self) as maps:
            self(
                inputs['tokens'],
                inputs.get('lengths'),
                token_types=inputs.get('token_types'),
            )
        return {f'encoder {i}': attention for i, attention in enumerate(maps)}
