"""How many samples the classes have, in training and in validation."""

from projects.core.datasets.findings import ERROR, WARNING, Finding
from projects.core.errors import listed

FEW = 10  # fewer are hardly learnt
UNEVEN = 100  # times as many of the most frequent class as of the rarest


def balance_findings(counts: dict[str, dict[str, int]], unit: str) -> list[Finding]:
    """What is odd about the numbers of samples.

    Args:
        counts: Samples of each class by split; a class without any has a 0.
        unit: What they are, in the plural: 'boxes', 'images'.
    """
    train, val = counts.get('train', {}), counts.get('val', {})
    findings = []
    absent = [name for name, num in train.items() if not num]
    asked = [name for name in absent if val.get(name)]
    if asked:
        findings.append(
            Finding(
                ERROR,
                'class never seen',
                'train, val',
                f'{len(asked)} classes have {unit} in val and none in train: '
                f'{listed(asked)}',
                'None of theirs can be predicted, and the mean over the classes sinks: '
                'split the data anew, or leave these classes out',
                asked,
            )
        )
    idle = [name for name in absent if not val.get(name)]
    if idle and sum(train.values()):
        findings.append(
            Finding(
                WARNING,
                'empty class',
                'train',
                f'{len(idle)} of {len(train)} classes have no {unit}: {listed(idle)}',
                'Leave them out of the classes, or see whether their names are '
                'written otherwise in the data',
                idle,
            )
        )
    unmeasured = [name for name, num in val.items() if not num and train.get(name)]
    if unmeasured and sum(val.values()):
        findings.append(
            Finding(
                WARNING,
                'class never measured',
                'val',
                f'{len(unmeasured)} classes have {unit} in train and none in val: '
                f'{listed(unmeasured)}',
                'The metrics do not tell how well they are learnt: split the data anew',
                unmeasured,
            )
        )
    return findings + _uneven({k: n for k, n in train.items() if n}, unit)


def _uneven(train: dict[str, int], unit: str) -> list[Finding]:
    if len(train) < 2:
        return []
    rank = sorted(train, key=train.get)
    most, least = train[rank[-1]], train[rank[0]]
    few = [name for name in rank if train[name] < FEW]
    is_uneven = most >= UNEVEN * least
    if not is_uneven and not few:
        return []
    rare = few or [name for name in rank if most >= UNEVEN * train[name]]
    numbers = listed(f'{name} ({train[name]:,})' for name in rare)
    return [
        Finding(
            WARNING,
            'imbalance' if is_uneven else 'few samples',
            'train',
            f"'{rank[-1]}' has {most:,} {unit}, {most / least:.0f} times as many as "
            f"'{rank[0]}'; rare are {numbers}"
            if is_uneven
            else f'{len(few)} of {len(train)} classes have fewer than {FEW} {unit}: '
            f'{numbers}',
            'Add data, or show rare classes more often: wrap the training set in '
            "dict(type='ClassBalancedDataset', oversample_thr=0.01, dataset=...)",
            rare,
        )
    ]
