"""Progressive learning, after Tan and Le, "EfficientNetV2: Smaller Models and
Faster Training", ICML 2021, Sec. 4, https://arxiv.org/abs/2104.00298.
"""

from collections.abc import Sequence

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import EpochBasedTrainLoop
from torch import nn

from projects.core.datasets.progressive import progressive_transforms
from projects.core.errors import UserError
from projects.registry import HOOKS

Values = Sequence[float]


@HOOKS.register_module()
class ProgressiveLearningHook(Hook):
    """Begins with small images and weak regularisation, ends with both at full.

    The epochs of a run are cut into stages of one length. From stage to stage the
    values below grow (Algorithm 1 and Table 6): small images are quickly learnt
    from, and, as a network sees less in them, less has to be done against
    overfitting. Each is a pair, from which the values between follow linearly, or
    the value of each stage. What is not given is left alone.

    The stage is a function of the epoch, so that a run that is resumed in the
    middle of one goes on in it.

    Args:
        num_stages: Stages; the paper has 4.
        image_size: Side of the images, in pixels. Set in the
            :class:`projects.core.datasets.progressive.Progressive` steps of the
            training pipeline that follow 'image_size'; rounded.
        magnitude: Of RandAugment: set in those that follow 'magnitude'.
        mixup_alpha: Alpha of the batch augments (Mixup, CutMix); 0 for none.
        dropout: Probability of the head's dropout layers.

    Raises:
        ValueError: If there is nothing to change, or a number of values that is
            neither 2 nor that of the stages.
    """

    priority = 'HIGH'  # before the hooks that look at the data loader

    def __init__(
        self,
        num_stages: int = 4,
        image_size: Values | None = None,
        magnitude: Values | None = None,
        mixup_alpha: Values | None = None,
        dropout: Values | None = None,
    ) -> None:
        given = dict(
            image_size=image_size,
            magnitude=magnitude,
            mixup_alpha=mixup_alpha,
            dropout=dropout,
        )
        self.values = {
            name: _each_stage(name, values, num_stages)
            for name, values in given.items()
            if values is not None
        }
        if not self.values:
            raise ValueError(f'none of {", ".join(given)} is to change')
        if 'image_size' in self.values:
            self.values['image_size'] = [round(v) for v in self.values['image_size']]
        self.num_stages = num_stages
        self._stage: int | None = None

    def before_train(self, runner) -> None:
        if not isinstance(runner.train_loop, EpochBasedTrainLoop):
            raise UserError(
                'ProgressiveLearningHook changes values between epochs; '
                'train_cfg counts iterations: take by_epoch=True'
            )
        if runner.max_epochs < self.num_stages:  # as one tries a config out
            runner.logger.warning(
                f'progressive learning: {self.num_stages} stages do not fit into '
                f'max_epochs={runner.max_epochs}; some are left out, the last, too'
            )
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        self._stage = None
        self._steps = list(progressive_transforms(runner.train_dataloader.dataset))
        self._preprocessor = model.data_preprocessor
        # kept here: without mixing there is none in the model
        self._augments = getattr(model.data_preprocessor, 'batch_augments', None)
        head = getattr(model, 'head', nn.Module())
        self._dropouts = [m for m in head.modules() if isinstance(m, nn.Dropout)]
        self._check()

    def _check(self) -> None:
        missing = {
            **{
                name: "no step of the training pipeline is a 'projects.Progressive' "
                f"with follows='{name}'"
                for name in ('image_size', 'magnitude')
                if all(step.follows != name for step in self._steps)
            },
            **({} if self._augments else {'mixup_alpha': 'the model mixes no images'}),
            **({} if self._dropouts else {'dropout': 'the head has no dropout layer'}),
        }
        for name in self.values:
            if name in missing:
                raise UserError(
                    f'ProgressiveLearningHook has nothing to set {name} in: '
                    f'{missing[name]}'
                )

    def before_train_epoch(self, runner) -> None:
        stage = runner.epoch * self.num_stages // runner.max_epochs
        if stage == self._stage:
            return
        self._stage = stage
        now = {name: values[stage] for name, values in self.values.items()}
        for step in self._steps:
            if step.follows in now:
                step.set(now[step.follows])
        if 'mixup_alpha' in now:
            alpha = now['mixup_alpha']
            self._preprocessor.batch_augments = self._augments if alpha else None
            for augment in self._augments.augments:
                if hasattr(augment, 'alpha'):
                    augment.alpha = alpha
        for layer in self._dropouts if 'dropout' in now else ():
            layer.p = now['dropout']
        runner.logger.info(
            f'progressive learning, stage {stage + 1} of {self.num_stages}: '
            + ', '.join(f'{name} {value:.4g}' for name, value in now.items())
        )


def _each_stage(name: str, values: Values, num_stages: int) -> list[float]:
    if len(values) == num_stages:
        return list(values)
    if len(values) != 2 or num_stages < 2:
        raise ValueError(
            f'{name}: {len(values)} values for {num_stages} stages; '
            'give the first and the last, or each'
        )
    first, last = values
    return [first + (last - first) * i / (num_stages - 1) for i in range(num_stages)]
