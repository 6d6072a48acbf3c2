"""The judge: a classifier that sees samples, whose features tell how real they are.

Legend: B samples, C channels, D size of a feature, K classes.
"""

import importlib.util
from abc import abstractmethod
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmengine.registry import DefaultScope
from torch import Tensor, nn

from projects.core.config import find_config, load_config, test_pipeline_of
from projects.core.errors import UserError, did_you_mean, one_line
from projects.core.tasks.generation.judge_training import ROOT, trained_judge
from projects.core.tasks.task import task_of
from projects.core.weights import check_file, load_weights, read_checkpoint
from projects.registry import MODELS

CLASSIFIERS = 'BaseClassifier'  # of mmpretrain
INCEPTION = 'torch-fidelity'
INCEPTION_URL = (
    'https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/'
    'weights-inception-2015-12-05-6726825d.pth'
)


@dataclass
class Verdict:
    """What a judge sees in samples.

    Args:
        features: (B, D) float32.
        logits: (B, K) float32.
    """

    features: Tensor
    logits: Tensor


class Judge:
    """A network that is shown images.

    Attributes:
        name: In reports.
        accuracy: On real data that it was not trained on, in %; None if unknown.
        model: In eval mode.
    """

    name: str
    accuracy: float | None = None
    model: nn.Module

    @abstractmethod
    def __call__(self, images: Tensor) -> Verdict:
        """Judge images.

        Args:
            images: (B, C, H, W) in [0, 255], grey or RGB, of any size.

        Raises:
            UserError: If they are of a number of channels that it does not take.
        """

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    def to(self, device) -> 'Judge':
        """The judge, moved to a device."""
        self.model.to(device)
        return self


class ClassifierJudge(Judge):
    """An image classifier of a config.

    It sees images at the size of the config's test pipeline, to which they are
    resized by bicubic interpolation, with the mean and the standard deviation of its
    preprocessor; features are what its last linear layer takes.

    Args:
        cfg: Config of a classifier.
        name: In reports.
        checkpoint: Its weights.
        accuracy: See :class:`Judge`.

    Raises:
        UserError: If it is no image classifier, or the weights are not its own.
    """

    def __init__(
        self,
        cfg: Config,
        name: str,
        checkpoint: str,
        accuracy: float | None = None,
    ) -> None:
        self.cfg, self.name, self.accuracy = cfg, name, accuracy
        with torch.random.fork_rng(devices=[]):  # weights that are replaced
            self.model = build_classifier(cfg).eval()
        load_weights(self.model, read_checkpoint(checkpoint)['state_dict'], checkpoint)
        self.size = input_size(cfg)
        self._inputs: Tensor | None = None
        last_linear(self.model, name).register_forward_pre_hook(self._keep)

    def _keep(self, _, inputs: tuple[Tensor, ...]) -> None:
        self._inputs = inputs[0]

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Verdict:
        x = network_input(self.model, images, self.size, self.name)
        logits = self.model(x, mode='tensor')
        return Verdict(self._inputs.flatten(1).float(), logits.float())


class InceptionJudge(Judge):
    """The Inception network of most papers, Szegedy et al. 2015 in the weights of
    2015-12-05, as torch-fidelity has it: distances by it can be compared with
    published ones, of as many samples.

    Args:
        weights: File; nothing is downloaded.

    Raises:
        UserError: If torch-fidelity is not installed, or the file is another.
    """

    def __init__(self, weights: str) -> None:
        try:
            from torch_fidelity.feature_extractor_inceptionv3 import (
                FeatureExtractorInceptionV3,
            )
        except ImportError as error:
            raise UserError(_INCEPTION_NEEDS.format(weights)) from error
        self.name = 'Inception 2015-12-05'
        read_checkpoint(weights)  # as data: torch-fidelity would run what it says
        try:
            self.model = FeatureExtractorInceptionV3(
                'inception-v3-compat', ['2048', 'logits_unbiased'], weights
            )
        except (RuntimeError, TypeError) as error:
            raise UserError(
                f'judge: {weights} holds no weights of the Inception network, which '
                f'are in {INCEPTION_URL} ({one_line(error, 100)})'
            ) from error

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Verdict:
        images = as_channels(images, 3, self.name)
        if images.dtype != torch.uint8:
            images = images.round().clamp(0, 255).to(torch.uint8)
        return Verdict(*self.model(images))


_INCEPTION_NEEDS = (
    'judge: the Inception network of {} needs torch-fidelity: '
    f'pip install {INCEPTION}'
)


def check_judge(settings: dict) -> None:
    """Look over the settings of a judge, as far as that takes no time.

    Raises:
        UserError: At the first flaw.
    """
    known = {'config', 'checkpoint', 'inception', 'root'}
    for key in settings.keys() - known:
        raise UserError(f"judge: nothing reads '{key}'{did_you_mean(key, known)}")
    if ('config' in settings) == ('inception' in settings):
        raise UserError(
            f'judge: {settings} is neither dict(config=...), a classifier, nor '
            'dict(inception=...), the weights of the Inception network'
        )
    if 'inception' in settings:
        if importlib.util.find_spec('torch_fidelity') is None:
            raise UserError(_INCEPTION_NEEDS.format(settings['inception']))
        try:
            check_file(settings['inception'])
        except UserError as error:
            raise UserError(f'judge: {error}; it is at {INCEPTION_URL}') from error
        return
    find_config(settings['config'])
    if 'checkpoint' in settings:
        check_file(settings['checkpoint'])


def build_judge(settings: dict) -> Judge:
    """The judge of a config of :class:`GenerationMetric`.

    Args:
        settings: ``dict(config=...)`` for a classifier that is trained on first use
            and kept in ``data/judges`` (or ``root``); with ``checkpoint`` one that is
            trained already; ``dict(inception=...)`` for the Inception network.

    Raises:
        UserError: If there is no such judge.
    """
    check_judge(settings)
    if 'inception' in settings:
        return InceptionJudge(settings['inception'])
    cfg = load_config(settings['config'])
    name = find_config(settings['config']).stem
    if 'checkpoint' in settings:
        return ClassifierJudge(cfg, name, settings['checkpoint'])
    check_classifier(cfg, name)
    made = trained_judge(settings['config'], cfg, settings.get('root', ROOT))
    return ClassifierJudge(cfg, name, str(made.checkpoint), made.accuracy)


def build_classifier(cfg: Config) -> nn.Module:
    """The classifier of a config, with weights of torch's global generator.

    Raises:
        UserError: If its model is no image classifier.
    """
    check_classifier(cfg, cfg.filename)
    with DefaultScope.overwrite_default_scope(cfg.get('default_scope')):
        return MODELS.build(cfg.model)


def check_classifier(cfg: Config, name: str) -> None:
    """See whether a config is of an image classifier.

    Raises:
        UserError: If not.
    """
    if CLASSIFIERS not in task_of(cfg).model_bases:
        type_ = (cfg.get('model') or {}).get('type')
        raise UserError(
            f'judge: {name} holds a {type_}, no image classifier; name a config of '
            'one, such as lenet/lenet5-modern_1xb64-20e_digits.py'
        )


def input_size(cfg: Config) -> tuple[int, int] | None:
    """(H, W) that a config's test pipeline makes of an image; None if any."""
    for step in reversed(test_pipeline_of(cfg)):
        # scale is (W, H)
        size = step.get('crop_size') or step.get('scale')
        if isinstance(size, int):
            return size, size
        if size is not None:
            return tuple(size)[::-1]
    return None


def last_linear(model: nn.Module, name: str) -> nn.Linear:
    """The layer whose outputs are the classes.

    Raises:
        UserError: If there is none.
    """
    layers = [m for m in model.modules() if isinstance(m, nn.Linear)]
    if not layers:
        raise UserError(
            f'judge: the classifier of {name} ends in no linear layer, whose inputs '
            'would be the features; choose another'
        )
    return layers[-1]


def network_input(
    model: nn.Module, images: Tensor, size: tuple[int, int] | None, name: str
) -> Tensor:
    """What the network of a classifier takes of images.

    Args:
        model: Classifier with a data preprocessor of mmpretrain's.
        images: (B, C, H, W) in [0, 255], grey or RGB.
        size: (H, W) of the network's input; None for theirs.
        name: Of the model, for messages.

    Raises:
        UserError: If they are of a number of channels that it does not take.
    """
    preprocessor = model.data_preprocessor
    # the first weight that sees them says how many it takes
    channels = next(p.shape[1] for p in model.parameters() if p.dim() == 4)
    x = as_channels(images, channels, name).to(preprocessor.device).float()
    if size is not None and tuple(x.shape[-2:]) != size:
        x = F.interpolate(x, size, mode='bicubic', antialias=True).clamp(0, 255)
    if getattr(preprocessor, '_enable_normalize', False):
        x = (x - preprocessor.mean) / preprocessor.std
    return x


def as_channels(images: Tensor, channels: int, name: str) -> Tensor:
    """Images with so many channels: grey ones are grey in each of three.

    Raises:
        UserError: If there is no such way.
    """
    if images.dim() != 4:
        raise UserError(
            f'judge: samples of shape {tuple(images.shape[1:])} are no images; of '
            'points in the plane MixtureMetric tells'
        )
    if images.shape[1] == channels:
        return images
    if images.shape[1] == 1:
        return images.expand(-1, channels, -1, -1)
    raise UserError(
        f'judge: {name} takes {channels} channels, and the samples have '
        f'{images.shape[1]}; choose a classifier of such images'
    )
