"""Classification of images, as the engine sees it."""

import os.path as osp
from pathlib import Path
from types import MappingProxyType

from projects.core.config.find import TIMM, TORCHVISION
from projects.core.datasets.image_set_checks import read_all_suffixes
from projects.core.errors import UserError
from projects.core.files import check_folder, check_outputs
from projects.core.tasks.evaluators import add_evaluators, evaluator_of
from projects.core.tasks.exported import ExportOptions, refuse_export_options
from projects.core.tasks.images import ImageTask
from projects.core.tasks.task import InferOptions, LookOptions, TestOptions
from projects.core.tasks.views import Views, views_of_images

# metrics of data with one label an image
SINGLE_LABEL = ('Accuracy', 'SingleLabelMetric')
REPORT = 'ClassificationReport'
FILES = ('classes.csv', 'confusion_matrix.csv', 'confusion_matrix.png')  # of a test
MISTAKES = '[0-9][0-9][0-9]_*_as_*.png'  # names of their pictures


class ClassificationTask(ImageTask):
    """A class for each image: mmpretrain's classifiers."""

    name = 'an image classifier'
    model_bases = ('BaseClassifier',)
    metrics = ('accuracy/top1',)
    known_from = MappingProxyType({'accuracy/top1': 100.0})

    def prepare(self, cfg) -> None:
        super().prepare(cfg)
        read_all_suffixes(cfg)
        key = 'val_evaluator'
        if (
            evaluator_of(cfg, *SINGLE_LABEL, key=key) is not None
            and evaluator_of(cfg, REPORT, key=key) is None
        ):
            add_evaluators(cfg, dict(type=f'projects.{REPORT}'), key=key)

    def check_data(self, cfg) -> list[str]:
        from projects.core.tasks.classification.data_checks import (
            check_classification_data,
        )

        return check_classification_data(cfg)

    def data_at(self, path: str, images: str | None):
        from projects.core.tasks.classification.data_doctor import (
            classification_data_at,
        )

        return classification_data_at(path, images)

    def examine_data(self, cfg):
        from projects.core.tasks.classification.data_doctor import (
            examine_classification_data,
        )

        return examine_classification_data(cfg)

    def validation_losses(self, model, dataset):
        from projects.core.tasks.classification.validation_losses import (
            losses_of_classifier,
        )

        return losses_of_classifier(model)

    def train_in_part(self, model_cfg: dict, trainable_stages: int) -> None:
        model_cfg['trainable_stages'] = trainable_stages

    def prepare_test(self, cfg, options: TestOptions) -> None:
        if evaluator_of(cfg, *SINGLE_LABEL) is None:
            for option, value in (
                ('--out', options.out),
                ('--show-dir', options.show_dir),
            ):
                if value is not None:
                    raise UserError(
                        f'{option} {value}: the test_evaluator of {options.config} is '
                        f'none of {", ".join(SINGLE_LABEL)}, so that it is not known '
                        'which single class is the right one; leave it out'
                    )
            return
        if options.out is not None and not options.out.endswith('.json'):
            raise UserError(
                f'--out {options.out}: predictions are JSON; name a file that ends '
                'in .json'
            )
        check_outputs([osp.join(cfg.work_dir, name) for name in FILES], '--work-dir')
        if options.out is not None:
            check_outputs([options.out], '--out')
        if options.show_dir is not None:
            check_folder(options.show_dir, '--show-dir')
            # what will be wrong is not known yet
            check_outputs(map(str, Path(options.show_dir).glob(MISTAKES)), '--show-dir')
        add_evaluators(
            cfg,
            dict(
                type=f'projects.{REPORT}',
                out_dir=cfg.work_dir,
                out=options.out,
            ),
        )

    def views(self, cfg, config: str) -> Views:
        model = dict(type='mmpretrain.AverageClsScoreTTA')
        return views_of_images(cfg, config, model, enlarges=True)

    def close_test(self, runner, metrics: dict, options: TestOptions) -> list[str]:
        from projects.core.tasks.classification.pictures import draw_mistakes
        from projects.core.tasks.classification.report import ClassificationReport

        reports = [
            m
            for m in runner.test_loop.evaluator.metrics
            if isinstance(m, ClassificationReport)
        ]
        if not reports:
            return []
        folder = osp.relpath(runner.work_dir)
        dataset = runner.test_dataloader.dataset
        lines = []
        scores = ', '.join(
            f'top-{name.rpartition("/top")[2]} {value:.2f} %'
            for name, value in metrics.items()
            if '/top' in name
        )
        if scores:
            lines.append(f'{scores} of {len(dataset)} images')
        lines += [
            'which class is taken for which: '
            f'{osp.join(folder, "confusion_matrix.png")}, '
            f'{osp.join(folder, "confusion_matrix.csv")}',
            'precision, recall and F1 of all classes: '
            f'{osp.join(folder, "classes.csv")}',
        ]
        if options.show_dir is not None:
            lines.append(draw_mistakes(reports[-1].mistakes, dataset, options.show_dir))
        if options.out is not None:
            lines.append(f'predictions: {options.out}')
        if options.show_dir is not None:
            lines.append(f'pictures: {options.show_dir}')
        return lines

    def explain(self, model, data: dict, meta: dict, options: LookOptions):
        from projects.core.tasks.classification.targets import explain_classifier

        return explain_classifier(model, data, meta, options)

    def results(self, meta: dict, options: InferOptions):
        from projects.core.tasks.classification.results import LabelResults

        return LabelResults(meta)

    def exported(self, model, cfg, meta: dict, options: ExportOptions):
        from projects.core.tasks.classification.export import ClassifierExport

        refuse_export_options(options, self.name)
        return ClassifierExport(model, cfg, meta, options)

    def library_config(self, name: str):
        if name.startswith(TORCHVISION):
            from projects.core.tasks.classification.torchvision_net import (
                torchvision_config,
            )

            return torchvision_config(name)
        if name.startswith(TIMM):
            from projects.core.tasks.classification.timm_net import timm_config

            return timm_config(name)
        return None

    def parts_of(self, model):
        from projects.core.tasks.classification.benchmark import ClassifierParts

        return ClassifierParts(model) if ClassifierParts.fits(model) else None


TASK = ClassificationTask()
