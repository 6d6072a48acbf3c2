"""Generation, as the engine sees it."""

import hashlib
import os.path as osp
from pathlib import Path

import torch

from projects.core.datasets.folds import Fold, Folds
from projects.core.datasets.image_set_checks import read_all_suffixes
from projects.core.datasets.transforms import use_our_loader
from projects.core.errors import UserError
from projects.core.files import check_folder, check_outputs
from projects.core.reports.blocks import Section
from projects.core.tasks.custom_hooks import add_hooks
from projects.core.tasks.evaluators import add_evaluators
from projects.core.tasks.exported import ExportOptions, refuse_export_options
from projects.core.tasks.images import CHANNELS_LAST, is_on, switch_hook
from projects.core.tasks.task import (
    Browsed,
    InferOptions,
    Task,
    TestOptions,
    model_class_of,
)

HOOK = 'projects.SamplesHook'


class GenerationTask(Task):
    """Models that make samples, or that translate images."""

    name = 'a generative model'
    model_bases = ('GenerativeModel',)
    metrics = ('frechet_distance', 'good_samples', 'class_kept', 'cycle_error')
    writing_options = ('num', 'class_', 'interpolate', 'direction', 'seed')
    inputs = None  # of a translator images
    drawn_by = (
        'tools/infer.py CHECKPOINT --interpolate walks through its latent space, and '
        'translates images'
    )

    def prepare(self, cfg) -> None:
        use_our_loader(cfg)
        read_all_suffixes(cfg)
        switch_hook(cfg, 'channels_last', CHANNELS_LAST)
        add_hooks(cfg, HOOK)
        if cfg.get('train_dataloader'):
            add_hooks(cfg, *getattr(model_class_of(cfg), 'hooks', ()))

    def hold_out(self, cfg, fold: Fold) -> Folds:
        raise UserError(
            f'--folds {fold.of}: {self.name} is not evaluated sample by sample, so '
            'that folds say nothing of it; --repeat trains it with other seeds'
        )

    def overfit(self, cfg, num: int) -> dict[str, float]:
        raise UserError(
            f'--overfit {num}: {self.name} is not to know its samples by heart, and no '
            'metric says whether it does; look at its pictures of samples'
        )

    def check_data(self, cfg) -> list[str]:
        from projects.core.tasks.generation.data_checks import check_generation_data

        return check_generation_data(cfg)

    def checksum_of(self, dataset, pipeline: list) -> str | None:
        """Of the data and the pipeline: distances are of what comes out of it."""
        data = super().checksum_of(dataset, pipeline)
        return data and hashlib.sha256(f'{data} {pipeline}'.encode()).hexdigest()

    def names_of(self, inputs: dict) -> list[str]:
        samples = inputs.get('data_samples') or []
        return [getattr(sample, 'img_path', 'unnamed') for sample in samples]

    def training_results(self, runner) -> list[str]:
        from projects.core.tasks.generation.hooks import pictures_of

        return pictures_of(runner.work_dir)

    def sections(self, runner, loop, metrics: dict[str, float]) -> list[Section]:
        from projects.core.tasks.generation.hooks import FOLDER, SamplesHook
        from projects.core.tasks.generation.sections import sections_of

        kept = next((h.kept for h in runner.hooks if isinstance(h, SamplesHook)), None)
        metainfo = getattr(loop.dataloader.dataset, 'metainfo', {})
        return sections_of(kept, metainfo, Path(runner.work_dir, FOLDER))

    def prepare_test(self, cfg, options: TestOptions) -> None:
        from projects.core.tasks.generation.report import FILES

        if options.out is not None:
            if not options.out.endswith('.npz'):
                raise UserError(
                    f'--out {options.out}: samples are an archive of arrays; name a '
                    'file that ends in .npz'
                )
            check_outputs([options.out], '--out')
        if options.show_dir is not None:
            check_folder(options.show_dir, '--show-dir')
            files = (osp.join(options.show_dir, name) for name in FILES)
            check_outputs(files, '--show-dir')
        if options.out is not None or options.show_dir is not None:
            report = dict(out=options.out, show_dir=options.show_dir)
            add_evaluators(cfg, dict(type='projects.SamplesReport', **report))

    def close_test(self, runner, metrics: dict, options: TestOptions) -> list[str]:
        from projects.core.tasks.generation.report import last_lines

        return last_lines(runner, metrics, options)

    def browse(self, browsed: Browsed) -> list[str]:
        from projects.core.tasks.generation.browsing import browse_samples

        return browse_samples(browsed)

    def infer(
        self, model, cfg, meta: dict, inputs: str | None, options: InferOptions
    ) -> list[dict]:
        from projects.core.tasks.generation.models import Translator
        from projects.core.tasks.generation.samples import (
            translate_folder,
            write_samples,
        )

        if is_on(cfg, 'channels_last'):
            model.to(memory_format=torch.channels_last)
        if not isinstance(model, Translator):
            return write_samples(model, meta, inputs, options)
        if inputs is None:
            raise UserError(
                f'{options.checkpoint} holds a {type(model).__name__}, which '
                'translates images: give an image or a folder of images'
            )
        return translate_folder(model, cfg, inputs, options)

    def exported(self, model, cfg, meta: dict, options: ExportOptions):
        from projects.core.tasks.generation.export import GeneratorExport
        from projects.core.tasks.generation.models import Translator

        refuse_export_options(options, self.name, isinstance(model, Translator))
        return GeneratorExport(model, cfg, meta, options)

    def parts_of(self, model):
        from projects.core.tasks.generation.benchmark import GenerationParts
        from projects.core.tasks.generation.models import GenerativeModel

        return GenerationParts(model) if isinstance(model, GenerativeModel) else None


TASK = GenerationTask()
