"""The results of a benchmark as text."""

MIB = 2**20
# parts of a step by the names that the meters know, and their labels
PARTS = {
    'data': 'data',
    'train.forward': 'train forward',
    'train.loss': 'train loss',
    'train.backward': 'train backward',
    'train.optimizer': 'train optimiser',
    'train.own': 'train, in one',
    'train.step': 'train step',
    'predict.forward': 'predict forward',
    'predict.decode': 'predict decode',
    'predict.step': 'predict step',
}


def header(result: dict) -> str:
    """What is measured, on what."""
    lines = []
    for letter, entry in zip('AB', result['configs'], strict=False):
        size = ' x '.join(map(str, entry['input_size']))
        lines.append(
            f'{letter}: {entry["config"]}\n   {entry["model"]}, '
            f'{entry["parameters"] / 1e6:.2f} M parameters, input {size}, '
            f'{entry["optimizer"]}'
            + (', channels-last' if entry['channels_last'] else '')
            + (f'; no data: {entry["no_data"]}' if entry['no_data'] else '')
        )
    of_images = result['configs'][0]['unit'] == 'images'
    load = result['load_average']
    lines.append(
        f'batch {result["batch_size"]}, '
        + (f'{result["objects"]} objects an image, ' if of_images else '')
        + result['dtype']
        + (', compiled' if result['compile'] else '')
        + f'; {result["device"]}, {result["threads"]} threads, torch '
        f'{result["torch"]}' + (f', load {load:.1f}' if load is not None else '')
    )
    if len({tuple(entry['input_size']) for entry in result['configs']}) > 1:
        lines.append('the input sizes differ: set --input-size to compare')
    return '\n'.join(lines)


def labels_of(result: dict) -> dict[str, str]:
    """Labels of all parts in their order, the inner ones before the step's."""
    labels = dict(PARTS)
    step = labels.pop('predict.step')
    for entry in result['configs']:
        labels |= entry['inner_parts']
    return {**labels, 'predict.step': step}


def table(result: dict) -> str:
    """The measurements as text, a row per part."""
    entries, ratios = result['configs'], result.get('ratios', {})
    labels = labels_of(result)
    head = f'{"ms: median (q1-q3)":20}' + ''.join(
        f'{letter:>26}{"share":>8}' for letter in 'AB'[: len(entries)]
    )
    lines = [head + (f'{"B/A":>20}' if ratios else '')]
    for part, label in labels.items():
        measured = any(part in entry['parts'] for entry in entries)
        if part.startswith('train.') and not measured:
            continue  # a step is measured in parts or in one
        line = f'{label:20}'
        for times in (entry['parts'].get(part) for entry in entries):
            line += f'{spread(times, 1):>26}' + (
                f'{times["share"]:>8.1%}' if times and 'share' in times else ' ' * 8
            )
        if ratios:
            line += f'{spread(ratios.get(part), 2):>20}'
        lines.append(line.rstrip())
    lines.append('')
    for phase in ('train', 'predict'):
        lines.append(
            _row(
                f'{entries[0]["unit"]}/s, {phase}',
                [entry['images_per_second'][phase] for entry in entries],
            )
        )
    lines += ['', 'peak MiB of tensors; parts: above what they begin with']
    for part, label in labels.items():
        if part in entries[0]['memory']:
            # a part within a part belongs to the outer one here
            label += ', total' if part.endswith('.step') else ''
            values = [entry['memory'][part] / MIB for entry in entries]
            line = _row(label, values)
            if len(values) == 2 and values[0]:
                line += ' ' * 8 + f'{values[1] / values[0]:>20.2f}'
            lines.append(line)
    for letter, entry in zip('AB', entries, strict=False):
        if any(entry['counts'].values()):
            counts = ', '.join(f'{name} {n:,}' for name, n in entry['counts'].items())
            lines.append(f'{letter}: a prediction has {counts}')
    return '\n'.join(lines)


def spread(numbers: dict | None, digits: int) -> str:
    """Median and quartiles; "-" for what was not measured."""
    if numbers is None:
        return '-'
    median, q1, q3 = (f'{numbers[key]:.{digits}f}' for key in ('median', 'q1', 'q3'))
    return f'{median} ({q1}-{q3})'


def _row(label: str, values: list[float]) -> str:
    return f'{label:20}' + (' ' * 8).join(f'{v:>26,.2f}' for v in values)
