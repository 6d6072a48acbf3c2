"""Sequences of tokens, as the engine sees them."""

from projects.core.datasets.folds import Fold, Folds
from projects.core.errors import UserError
from projects.core.files import check_outputs
from projects.core.reports.blocks import Section
from projects.core.tasks.custom_hooks import add_hooks
from projects.core.tasks.evaluators import add_evaluators, evaluator_of
from projects.core.tasks.exported import ExportOptions, refuse_export_options
from projects.core.tasks.overfitting import use_validation
from projects.core.tasks.task import (
    Browsed,
    InferOptions,
    Task,
    TestOptions,
    refuse_options,
)

HOOK = 'projects.TokenRateHook'
REPORT = 'ClassificationReport'  # of a model that names classes


class LanguageTask(Task):
    """Texts, and other sequences of tokens."""

    name = 'a model of sequences'
    model_bases = ('SequenceModel',)
    unit = 'sequences'
    inputs = 'a text or a file of texts'
    drawn_by = (
        'tools/analysis_tools/draw_text_attention.py CHECKPOINT "A text" draws its '
        'attention'
    )
    metrics = ('bits_per_byte', 'exact_match', 'accuracy', 'accuracy/top1')
    writing_options = (
        'temperature',
        'top_k',
        'top_p',
        'num_samples',
        'max_new_tokens',
        'beam_size',
        'seed',
    )

    def prepare(self, cfg) -> None:
        """Give all data sets one tokenizer, and the model what hangs on it.

        That of the checkpoint that is loaded counts, where it carries one. A
        ``vocab_size``, or one of a longer name, and a ``num_classes`` of None become
        those of the tokenizer and the data.
        """
        from projects.core.tasks.language.data_checks import complete

        complete(cfg)
        for key in ('val_evaluator', 'test_evaluator'):
            if (
                evaluator_of(cfg, 'Accuracy', key=key) is not None
                and evaluator_of(cfg, REPORT, key=key) is None
            ):
                report = dict(type=f'projects.{REPORT}', unit=self.unit)
                add_evaluators(cfg, report, key=key)
        if cfg.get('train_dataloader'):
            add_hooks(cfg, HOOK)

    def hold_out(self, cfg, fold: Fold) -> Folds:
        from projects.core.tasks.language.folds import hold_out_texts

        return hold_out_texts(cfg, fold)

    def overfit(self, cfg, num: int) -> dict[str, float]:
        """On texts of the validation: those of training may be windows at random
        places, or masked by lot."""
        use_validation(cfg, num)
        # no model knows how a text begins that has nothing before it
        return {'exact_match': 100, 'accuracy/top1': 100, 'accuracy': 95}

    def check_data(self, cfg) -> list[str]:
        from projects.core.tasks.language.data_checks import check_text_data

        return check_text_data(cfg)

    def names_of(self, inputs: dict) -> list[str]:
        return list((inputs.get('data_samples') or {}).get('text') or [])

    def sections(self, runner, loop, metrics: dict[str, float]) -> list[Section]:
        from projects.core.tasks.language.model_sections import examples_of, sections_of

        model = getattr(runner.model, 'module', runner.model)
        is_test = runner._train_loop is None
        dataset = loop.dataloader.dataset
        outcomes = (getattr(m, 'outcome', None) for m in loop.evaluator.metrics)
        outcome = next((o for o in outcomes if o is not None), None)
        return [
            *examples_of(outcome, dataset),
            *sections_of(model, dataset, metrics, is_test),
        ]

    def prepare_test(self, cfg, options: TestOptions) -> None:
        if options.show_dir is not None:
            raise UserError(
                f'--show-dir {options.show_dir}: {options.config} holds '
                f'{self.name}, of which there are no pictures; leave it out'
            )
        if options.out is not None:
            if not options.out.endswith('.json'):
                raise UserError(
                    f'--out {options.out}: predictions are JSON; name a file that ends '
                    'in .json'
                )
            check_outputs([options.out], '--out')
        add_evaluators(cfg, dict(type='projects.TextReport', out=options.out))

    def close_test(self, runner, metrics: dict, options: TestOptions) -> list[str]:
        from projects.core.tasks.language.report import last_lines

        return last_lines(runner, metrics, options.out)

    def browse(self, browsed: Browsed) -> list[str]:
        from projects.core.tasks.language.browsing import browse_texts

        return browse_texts(browsed)

    def infer(
        self, model, cfg, meta: dict, inputs: str, options: InferOptions
    ) -> list[dict]:
        from projects.core.tasks.language.answers import answer
        from projects.core.tasks.language.tokenizers import tokenizer_of_meta

        refuse_options(model, options)
        tokenizer = tokenizer_of_meta(meta, options.checkpoint)
        if tokenizer is None:
            raise UserError(
                f'{options.checkpoint} carries no tokenizer; give a checkpoint that '
                'tools/train.py wrote'
            )
        return answer(model, tokenizer, meta['dataset_meta'], inputs, options)

    def library_config(self, name: str):
        from projects.core.config.find import TRANSFORMERS

        if not name.startswith(TRANSFORMERS):
            return None
        from projects.core.tasks.language.transformers_net import transformers_config

        return transformers_config(name)

    def exported(self, model, cfg, meta: dict, options: ExportOptions):
        from projects.core.tasks.language.export import SequenceExport

        refuse_export_options(options, self.name, takes_images=False)
        return SequenceExport(model, cfg, meta, options)

    def parts_of(self, model):
        from projects.core.tasks.language.benchmark import SequenceParts
        from projects.core.tasks.language.models import SequenceModel

        return SequenceParts(model) if isinstance(model, SequenceModel) else None


TASK = LanguageTask()
