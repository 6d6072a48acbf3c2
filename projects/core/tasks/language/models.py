"""Models of sequences: what is trained, and what is asked of it afterwards.

Legend as in :mod:`projects.core.tasks.language.backbones`; K classes.
"""

from abc import abstractmethod

import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce, get_world_size
from mmengine.model import BaseModel
from torch import Tensor, nn

from projects.core.tasks.language.backbones import IGNORE, SequenceBackbone
from projects.core.tasks.language.generation import generate, search
from projects.core.tasks.language.scores import token_scores
from projects.core.tasks.language.tokenizers import SPECIAL, Tokenizer, enclosed
from projects.registry import MODELS

BEGIN, END = SPECIAL.index('[CLS]'), SPECIAL.index('[SEP]')


class SequenceModel(BaseModel):
    """What all models of sequences have in common: a backbone and three modes.

    Args:
        backbone: Config of the architecture.
        data_preprocessor: Config; :class:`TextDataPreprocessor` by default.
        init_cfg: See :class:`mmengine.model.BaseModule`.
    """

    def __init__(
        self,
        backbone: dict,
        data_preprocessor: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(
            data_preprocessor or dict(type='projects.TextDataPreprocessor'), init_cfg
        )
        self.backbone = MODELS.build(backbone)

    def forward(
        self, inputs: dict, data_samples: dict | None = None, mode: str = 'tensor'
    ) -> Tensor | dict | list:
        """Scores, losses or predictions of a batch.

        Args:
            inputs: See :class:`TextDataPreprocessor`.
            data_samples: Labels and what else a data set tells of its sequences.
            mode: 'tensor' for what :meth:`network` gives, 'loss' for a dict of
                losses, 'predict' for a list with a dict for each sequence.
        """
        outs = self.network(inputs)
        if mode == 'tensor':
            return outs
        return dict(loss=self.losses, predict=self.predictions)[mode](
            outs, data_samples or {}
        )

    #: arguments of :meth:`answer` beyond the texts
    writing_options: tuple[str, ...] = ()
    #: whether each line of a user's file is a text
    by_line = True

    @abstractmethod
    def answer(
        self, texts: list[str], tokenizer: Tokenizer, meta: dict, **options
    ) -> list[dict]:
        """What the model makes of a user's texts, a dict for each.

        Args:
            texts: A batch.
            tokenizer: The model's.
            meta: What its data set says of itself, with ``classes`` where it has
                such.
            **options: Of ``writing_options``.
        """

    @abstractmethod
    def shown(self, row: dict) -> str:
        """A dict of :meth:`answer`, as a user reads it."""

    def batch_of(self, sequences: list[list[int]]) -> dict:
        """Inputs of tokens, on the model's device.

        Raises:
            UserError: If one is longer than the backbone has positions.
        """
        for tokens in sequences:
            SequenceBackbone.check_length(self.backbone, len(tokens))
        tensors = [torch.tensor(tokens, dtype=torch.long) for tokens in sequences]
        return self.data_preprocessor(dict(inputs=dict(tokens=tensors)))['inputs']

    @abstractmethod
    def network(self, inputs: dict) -> Tensor:
        """Scores: all layers with weights."""

    @abstractmethod
    def losses(self, outs: Tensor, data_samples: dict) -> dict[str, Tensor]:
        """Losses by name."""

    @abstractmethod
    def predictions(self, outs: Tensor, data_samples: dict) -> list[dict]:
        """A dict for each sequence, as the metrics read it."""

    def random_labels(self, tokens: list[Tensor], rng: torch.Generator) -> dict:
        """Data samples of random sequences, for the benchmark.

        Args:
            tokens: (T,) of each sequence, of which labels may be made.
            rng: Where random numbers are drawn from.
        """
        return dict(labels=tokens)


def token_loss(scores: Tensor, labels: Tensor, label_smoothing: float = 0.0) -> Tensor:
    """Mean cross-entropy of the labelled tokens, of all processes together.

    A process with more tokens than another weighs more, so that the mean of the
    processes' gradients is the gradient of one that had all sequences.

    Args:
        scores: (B, T, V).
        labels: (B, T); ``IGNORE`` where there is none.
        label_smoothing: Share of the label that goes to all tokens alike.
    """
    total = F.cross_entropy(
        scores.flatten(0, 1),
        labels.flatten(),
        ignore_index=IGNORE,
        label_smoothing=label_smoothing,
        reduction='sum',
    )
    count = (labels != IGNORE).sum().to(total.dtype)
    if get_world_size() > 1:
        all_reduce(count, 'mean')
    return total / count.clamp(min=1)


@MODELS.register_module()
class CausalLanguageModel(SequenceModel):
    """Predicts each token from those before it.

    The backbone is a :class:`~projects.core.tasks.language.backbones.
    SequenceBackbone` in which no hidden state depends on later tokens. A
    prediction is that of :func:`~projects.core.tasks.language.scores.token_scores`.

    Args:
        backbone: Config of the architecture.
        **kwargs: Of :class:`SequenceModel`.
    """

    def network(self, inputs: dict) -> Tensor:
        hidden, _ = self.backbone(inputs['tokens'], inputs.get('lengths'))
        return self.backbone.logits(hidden)

    def losses(self, outs: Tensor, data_samples: dict) -> dict[str, Tensor]:
        return dict(loss=token_loss(outs, data_samples['labels']))

    def predictions(self, outs: Tensor, data_samples: dict) -> list[dict]:
        return with_rest(token_scores(outs, data_samples['labels']), data_samples)

    writing_options = (
        'temperature',
        'top_k',
        'top_p',
        'num_samples',
        'max_new_tokens',
        'seed',
    )
    by_line = False

    def answer(
        self,
        texts: list[str],
        tokenizer: Tokenizer,
        meta: dict,
        max_new_tokens: int = 200,
        seed: int = 0,
        **options,
    ) -> list[dict]:
        """Each text with its continuations, see
        :func:`projects.core.tasks.language.generation.generate`."""
        generator = torch.Generator(self.data_preprocessor.device).manual_seed(seed)
        rows = []
        for text in texts:
            prompt = tokenizer.encode(text)
            if tokenizer.bos is not None:  # as documents begin in training
                prompt = [tokenizer.bos, *prompt]
            written = generate(
                self.backbone,
                prompt,
                max_new_tokens,
                end=tokenizer.bos,
                generator=generator,
                **options,
            )
            texts_written = [tokenizer.decode(tokens) for tokens in written]
            rows.append(dict(text=text, continuations=texts_written))
        return rows

    def shown(self, row: dict) -> str:
        continuations = [row['text'] + text for text in row['continuations']]
        return '\n' + '\n--------\n'.join(continuations)


@MODELS.register_module()
class EncoderDecoder(SequenceModel):
    """Reads one sequence and writes another.

    The backbone is an :class:`~projects.core.tasks.language.backbones.
    EncoderDecoderBackbone`. In training it sees the true target up to each token
    (teacher forcing). A prediction is that of
    :func:`~projects.core.tasks.language.scores.token_scores`, of the true target,
    and, in evaluation, ``tokens``: what the model writes by itself.

    Args:
        backbone: Config of the architecture.
        label_smoothing: Share of each label that goes to all tokens alike.
        search: How sequences are written, arguments of
            :func:`projects.core.tasks.language.generation.search`: ``beam_size``,
            ``length_penalty``, ``max_length``. Greedily by default.
        begin_token: What a target begins with; by default that of the tokenizers
            which are trained here, as the next.
        end_token: What it ends with.
        **kwargs: Of :class:`SequenceModel`.
    """

    def __init__(
        self,
        backbone: dict,
        label_smoothing: float = 0.0,
        search: dict | None = None,
        begin_token: int = BEGIN,
        end_token: int = END,
        **kwargs,
    ) -> None:
        super().__init__(backbone, **kwargs)
        self.label_smoothing = label_smoothing
        self.search = dict(search or {})
        self.begin_token = begin_token
        self.end_token = end_token

    def network(self, inputs: dict) -> Tensor:
        memory = self.backbone.encode(inputs['tokens'], inputs.get('lengths'))
        return self.backbone.decode(inputs['target'], memory)[0]

    def losses(self, outs: Tensor, data_samples: dict) -> dict[str, Tensor]:
        loss = token_loss(outs, data_samples['labels'], self.label_smoothing)
        return dict(loss=loss)

    def predictions(self, outs: Tensor, data_samples: dict) -> list[dict]:
        return with_rest(token_scores(outs, data_samples['labels']), data_samples)

    def forward(
        self, inputs: dict, data_samples: dict | None = None, mode: str = 'tensor'
    ) -> Tensor | dict | list:
        results = super().forward(inputs, data_samples, mode)
        if mode == 'predict':
            written = self.write(inputs)
            for result, tokens in zip(results, written, strict=True):
                result['tokens'] = tokens
        return results

    def write(self, inputs: dict, **options) -> list[list[int]]:
        """What the model writes for each source, without its end token.

        Args:
            inputs: With ``tokens`` and, where padded, ``lengths``.
            **options: Over those of ``search``.
        """
        return search(
            self.backbone,
            inputs,
            self.begin_token,
            self.end_token,
            **{**self.search, **options},
        )

    writing_options = ('beam_size', 'max_new_tokens')

    def answer(
        self,
        texts: list[str],
        tokenizer: Tokenizer,
        meta: dict,
        max_new_tokens: int | None = None,
        **options,
    ) -> list[dict]:
        """Each text with its ``answer``."""
        sources = [[*tokenizer.encode(text), self.end_token] for text in texts]
        if max_new_tokens is not None:
            options['max_length'] = max(1, max_new_tokens)
        written = self.write(self.batch_of(sources), **options)
        return [
            dict(text=text, answer=tokenizer.decode(tokens))
            for text, tokens in zip(texts, written, strict=True)
        ]

    def shown(self, row: dict) -> str:
        return f'{row["text"]} -> {row["answer"]}'


@MODELS.register_module()
class SequenceClassifier(SequenceModel):
    """A class for a sequence: a linear layer on the backbone's summary of it.

    Weights of the layer are in ``head``. A prediction holds ``pred_score``, (K,)
    probabilities, and ``gt_label``, (1,).

    Args:
        backbone: Config of the architecture, with a ``summary``.
        num_classes: K.
        dropout: Probability of dropout before the layer.
        **kwargs: Of :class:`SequenceModel`.
    """

    def __init__(
        self, backbone: dict, num_classes: int, dropout: float = 0.0, **kwargs
    ) -> None:
        super().__init__(backbone, **kwargs)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(self.backbone.embed_dims, num_classes)

    def network(self, inputs: dict) -> Tensor:
        options = {name: inputs[name] for name in ('token_types',) if name in inputs}
        lengths = inputs.get('lengths')
        hidden, _ = self.backbone(inputs['tokens'], lengths, **options)
        return self.head(self.dropout(self.backbone.summary(hidden, lengths)))

    def losses(self, outs: Tensor, data_samples: dict) -> dict[str, Tensor]:
        return dict(loss=F.cross_entropy(outs, data_samples['labels']))

    def random_labels(self, tokens: list[Tensor], rng: torch.Generator) -> dict:
        size = (len(tokens),)
        classes = torch.randint(0, self.head.out_features, size, generator=rng)
        return dict(labels=list(classes))

    def predictions(self, outs: Tensor, data_samples: dict) -> list[dict]:
        scores = outs.softmax(-1)
        labels = data_samples.get('labels')
        rows = [dict(pred_score=score) for score in scores]
        if labels is not None:
            for row, label in zip(rows, labels, strict=True):
                row['gt_label'] = label.reshape(1)
        return with_rest(rows, data_samples)

    @torch.no_grad()
    def answer(self, texts: list[str], tokenizer: Tokenizer, meta: dict) -> list[dict]:
        """Each text with its five best classes."""
        sequences = [enclosed(tokenizer, tokenizer.encode(text)) for text in texts]
        scores = self.network(self.batch_of([s.tolist() for s in sequences]))
        classes = meta.get('classes') or range(scores.shape[1])
        best = scores.softmax(-1).topk(min(5, scores.shape[1]))
        return [
            {
                'text': text,
                'predictions': [
                    {'class': str(classes[i]), 'score': value}
                    for value, i in zip(values, indices, strict=True)
                ],
            }
            for text, values, indices in zip(
                texts, best.values.tolist(), best.indices.tolist(), strict=True
            )
        ]

    def shown(self, row: dict) -> str:
        return f'{row["text"]}: ' + ', '.join(
            f'{p["class"]} {100 * p["score"]:.1f} %' for p in row['predictions']
        )


def with_rest(rows: list[dict], data_samples: dict) -> list[dict]:
    """Add what the data set tells of each sequence beside its labels."""
    for name, values in data_samples.items():
        if name != 'labels' and not isinstance(values, Tensor):
            for row, value in zip(rows, values, strict=True):
                row.setdefault(name, value)
    return rows
