"""The curves of a run as blocks: losses, rates, metrics by family, times.

No task is known here: what belongs into one chart is told by the names of the
scalars, and by how large their values are.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from projects.core.literals import literals
from projects.core.metric_names import rule_of
from projects.core.reports import blocks
from projects.core.reports.blocks import Block, Curves, key_of
from projects.core.reports.runs import Run
from projects.core.reports.scalars import TIMES, Series

# what mmengine logs beside losses and metrics
RATE = re.compile(r'(.*\.)?(base_)?lr')
STEP_TIMES = ('time', 'data_time')
NORM = re.compile(r'(.*[._])?grad_norm')
LOSS = re.compile(r'(.*[._/])?loss([._].*)?')
# what tells a metric from its kin: '@100', '_50', '_s' as of small objects, '5'
SUFFIX = re.compile(r'[@_-]?\d+$|[@_-][sml]$')
# words of names whose values are percents, where they are above 1
PERCENT = re.compile('acc|top|precision|recall|f$|kept|match|bleu')
BETTER = {'greater': 'Higher is better.', 'less': 'Lower is better.', None: ''}


def curves_of(run: Run) -> list[Block]:
    """Charts of all that the run logged."""
    config = config_of(run)
    rest = dict(run.train)

    def taken(pattern: re.Pattern) -> dict[str, Series]:
        names = [name for name in rest if pattern.fullmatch(name)]
        return {name: rest.pop(name) for name in names}

    losses, rates, norms = taken(LOSS), taken(RATE), taken(NORM)
    times = {name: rest.pop(name) for name in STEP_TIMES if name in rest}
    charts = [*_losses(run, losses, config), *_metrics(run)]
    # the rate of an optimizer's first group, where that is not the base rate
    rates = {
        name: series
        for name, series in rates.items()
        if 'base_lr' not in name
        or series.values != getattr(rates.get(name.replace('base_', '')), 'values', 0)
    }
    if rates:
        charts.append(
            _chart(
                run,
                'run-learning-rate',
                'Learning rate',
                'learning rate',
                rates,
                'As it was at the end of each logged iteration.',
                log_y=_is_wide(rates, 1000),
            )
        )
    if norms:
        clip = clipped_at(config)
        charts.append(
            _chart(
                run,
                'run-gradient-norm',
                'Gradient norm',
                'norm of all gradients (L2)',
                norms,
                f'{_window(config)} Before it is clipped to {clip:g}.'
                if clip
                else 'Of the logged iterations, each by itself.',
                log_y=_is_wide(norms, 100),
            )
        )
    charts += [
        _chart(
            run,
            f'run-train-{family.key}',
            family.title,
            family.y_label,
            family.series,
            'Of the training.',
        )
        for family in _by_word(rest)
    ]
    if times:
        charts.append(
            _chart(
                run,
                'run-time',
                'Time of an iteration',
                'seconds per iteration',
                times,
                '"time" is the whole iteration; "data_time" the part of it spent '
                'waiting for data. ' + _window(config),
            )
        )
    return charts


def config_of(run: Run) -> dict[str, Any]:
    """Settings of the config that are data; its text is not run."""
    try:
        return literals(run.config_text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return {}


def clipped_at(config: Mapping[str, Any]) -> float | None:
    """Norm to which gradients are clipped; None if they are not."""
    clip = _entry(config, 'optim_wrapper', 'clip_grad', 'max_norm')
    return clip if isinstance(clip, (int, float)) else None


def _entry(config: Any, *names: str) -> Any:
    for name in names:
        config = config.get(name) if isinstance(config, Mapping) else None
    return config


def _window(config: Mapping[str, Any]) -> str:
    size = _entry(config, 'log_processor', 'window_size')
    return (
        f'Each value is the mean of the last {size} iterations.'
        if isinstance(size, int)
        else 'Each value is a mean of the last iterations.'
    )


def _losses(run: Run, train: dict[str, Series], config) -> list[Block]:
    """The total, and the terms, training against validation."""
    val = {n: s for n, s in run.val.items() if LOSS.fullmatch(n)}
    total = {'train': train.pop('loss', None), 'validation': val.pop('val_loss', None)}
    # that of a model of one loss is the total again
    if total['validation'] is not None:
        val.pop('loss', None)
    elif 'loss' in val:
        total['validation'] = val.pop('loss')
    total = {name: series for name, series in total.items() if series is not None}
    note = _window(config)
    if val or 'validation' in total:
        note += (
            ' The validation loss is that of the whole validation set, in evaluation '
            'mode (no dropout, no augmentation).'
        )
    charts = []
    if total:
        charts.append(
            _chart(
                run,
                'run-loss',
                'Loss',
                'loss',
                total,
                f'The sum that is minimised. {note} Lower is better.',
                dashed=('validation',),
                log_y=_is_wide(total, 100),
            )
        )
    terms = {
        **train,
        **{f'{name.removeprefix("val_")} (validation)': s for name, s in val.items()},
    }
    # a single term is the total
    if len(train) > 1 or len(val) > 1 or (terms and not total):
        charts.append(
            _chart(
                run,
                'run-loss-terms',
                'Terms of the loss',
                'loss',
                terms,
                note,
                dashed=[name for name in terms if name.endswith(' (validation)')],
                log_y=_is_wide(terms, 1000),
            )
        )
    return charts


def metrics_of(run: Run) -> dict[str, Series]:
    """Metrics of the validations, the one that the best is chosen by first."""
    metrics = {
        name: _without_missing(name, series)
        for name, series in run.val.items()
        if name not in TIMES and not LOSS.fullmatch(name)
    }
    return {n: metrics[n] for n in sorted(metrics, key=lambda n: n not in run.best)}


def _metrics(run: Run) -> list[Block]:
    charts = []
    for family in families(metrics_of(run)):
        missing = [n for n, s in family.series.items() if set(s.values) <= {None}]
        rules = {rule_of(name) for name in family.series}
        note = f'Of the validation. {BETTER[rules.pop()] if len(rules) == 1 else ""}'
        if missing:
            note += (
                f' Of {", ".join(missing)} there is no value: it cannot be measured on '
                'these data.'
            )
        series = {n: s for n, s in family.series.items() if n not in missing}
        if series:
            key = f'run-metric-{family.key}'
            title, label = family.title, family.y_label
            charts.append(_chart(run, key, title, label, series, note))
    return charts


def _without_missing(name: str, series: Series) -> Series:
    """pycocotools gives -1 for what cannot be measured."""
    negative = {v for v in series.values if v is not None and v < 0}
    if rule_of(name) != 'greater' or negative != {-1}:
        return series
    return Series(series.iterations, [None if v == -1 else v for v in series.values])


@dataclass
class Family:
    """Scalars that belong into one chart.

    Args:
        key: Names the chart.
        series: By the names of the scalars.
    """

    key: str
    series: dict[str, Series]

    @property
    def title(self) -> str:
        """Their names, the first ones."""
        prefix = next(iter(self.series)).rpartition('/')[0]
        short = [name.removeprefix(f'{prefix}/') for name in self.series]
        title = ', '.join(short[:3]) + (', ...' if len(short) > 3 else '')
        return f'{prefix}: {title}' if prefix else title

    @property
    def y_label(self) -> str:
        """What the axis shows, with its unit."""
        name = 'value'
        if len(self.series) == 1:
            name = next(iter(self.series)).rpartition('/')[2].replace('_', ' ')
        # zeros have every unit
        units = {unit_of(n, s) for n, s in self.series.items() if any(s.values)}
        unit = units.pop() if len(units) == 1 else ''
        return f'{name} (%)' if unit == '%' else name


def families(series: Mapping[str, Series]) -> list[Family]:
    """Scalars by the chart that they belong into, in order.

    One whose name goes on where another's ends is its kin (``bbox_mAP`` and
    ``bbox_mAP_50``), as are names that differ in a number or in s, m or l at the end
    (``top1`` and ``top5``), and the floor of a measure, which no model can pass
    (``frechet_distance`` and ``frechet_floor``). Those that are left alone share a
    chart where more is better, they lie between 0 and 1 and have a prefix in common.
    """
    stems: dict[str, list[str]] = {}
    for name in series:
        kin = [n for n in series if name.startswith((f'{n}_', f'{n}@'))]
        kin.sort(key=len)
        if name.endswith('_floor'):
            base = name.removesuffix('floor')
            kin += [n for n in series if n.startswith(base) and n != name]
        stem = kin[0] if kin else SUFFIX.sub('', name)
        # what goes on from 'top1' is kin to 'top5', too
        stems.setdefault(SUFFIX.sub('', stem), []).append(name)
    found: dict[str, list[str]] = {}
    for stem, names in stems.items():
        alone = len(names) == 1 and unit_of(names[0], series[names[0]]) == '0 to 1'
        key = f'{names[0].rpartition("/")[0]}-shares' if alone else stem
        found.setdefault(key, []).extend(names)
    return [
        Family(
            key_of(key if len(names) > 1 else names[0]), {n: series[n] for n in names}
        )
        for key, names in found.items()
    ]


def _by_word(series: Mapping[str, Series]) -> list[Family]:
    """Those whose names begin with the same word, as ``score_real``, ``score_fake``."""
    found: dict[str, dict[str, Series]] = {}
    for name in series:
        found.setdefault(re.split('[._/]', name)[0], {})[name] = series[name]
    return [Family(key_of(word), group) for word, group in found.items()]


def unit_of(name: str, series: Series) -> str:
    """'0 to 1', '%' or nothing, by the name and the values of a metric.

    A percentage that was below 1 so far is taken for a share.
    """
    values = [v for v in series.values if v not in (None, -1)]
    if rule_of(name) != 'greater' or not values or min(values) < 0:
        return ''
    if max(values) <= 1:
        return '0 to 1' if any(v % 1 for v in values) or max(values) == 0 else ''
    words = re.findall('[a-z]+', name.lower())
    return '%' if max(values) <= 100.01 and any(map(PERCENT.match, words)) else ''


def _is_wide(group: Mapping[str, Series], ratio: float) -> bool:
    """Whether values differ so much that only a logarithmic axis shows them."""
    values = [v for s in group.values() for v in s.values if v is not None]
    return bool(values) and min(values) > 0 and max(values) > ratio * min(values)


def _chart(
    run: Run,
    key: str,
    title: str,
    y_label: str,
    group: Mapping[str, Series],
    note: str,
    dashed: Iterable[str] = (),
    log_y: bool = False,
) -> Curves:
    lines = [
        blocks.Series(
            name,
            run.x(series.iterations),
            series.values,
            dashed=name in dashed,
            group=name.removesuffix(' (validation)'),
        )
        for name, series in group.items()
    ]
    if log_y:
        note += ' Logarithmic axis.'
    # an axis of no length would have no numbers
    values = {v for series in group.values() for v in series.values if v is not None}
    constant = values.pop() if len(values) == 1 else 0
    return Curves(
        key,
        title,
        run.x_label,
        y_label,
        lines,
        y_range=(0, 2 * constant) if constant > 0 else None,
        log_y=log_y,
        finer=('iteration', run.epoch_length) if run.by_epoch else None,
        note=note.strip(),
    )
