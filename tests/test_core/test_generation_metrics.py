"""What a set of samples is worth, on sets of which it is known."""

import math
import multiprocessing

import pytest
import torch

from projects.core.errors import UserError
from projects.core.tasks.generation import metrics, synthetic
from projects.core.tasks.generation.judge import Judge, Verdict
from projects.core.tasks.generation.metrics import FRECHET, GenerationMetric

PREFIX = 'generation/'


# ----------------------------------------------------------------- the metric
class Pixels(Judge):
    """Features are pixels, the class is the brightest one."""

    name, accuracy = 'pixels', 97.5

    def __call__(self, images):
        x = images.flatten(1).float()
        return Verdict(x, x)

    def to(self, device):
        return self

    device = torch.device('cpu')


@pytest.fixture
def metric(tmp_path):
    (tmp_path / 'x.pth').touch()
    metric = GenerationMetric(
        dict(
            config='lenet/lenet5-modern_1xb64-20e_digits.py',
            checkpoint=str(tmp_path / 'x.pth'),
        )
    )
    metric.judge = Pixels()
    return metric


def images(num, seed=0):
    g = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (num, 1, 2, 2), generator=g).to(torch.uint8)


def evaluate(metric, real, fake, batch_size=16, **more):
    rows = [
        dict(real=r, fake=f, **{name: values[i] for name, values in more.items()})
        for i, (r, f) in enumerate(zip(real, fake, strict=True))
    ]
    for first in range(0, len(rows), batch_size):
        metric.process(None, rows[first : first + batch_size])
    found = metric.evaluate(len(rows))
    assert all(name.startswith(PREFIX) for name in found)
    return {name.removeprefix(PREFIX): value for name, value in found.items()}


def test_metrics_of_the_data_itself(metric):
    x = images(100)
    found = evaluate(metric, x, x)
    assert list(found) == [
        *FRECHET, 'kernel_distance', 'inception_score',
        'precision', 'recall', 'density', 'coverage',
    ]  # fmt: skip
    assert found['frechet_distance'] == pytest.approx(0, abs=1e-6)
    assert found['frechet_floor'] > 1
    assert found['frechet_ratio'] == pytest.approx(0.5, abs=0.3)  # halves overlap
    assert found['precision'] == found['recall'] == found['coverage'] == 1


def test_metrics_do_not_depend_on_batches_nor_on_the_order(metric):
    x, y = images(60), images(60, seed=1)
    whole = evaluate(metric, x, y)
    assert evaluate(metric, x, y, batch_size=7) == whole
    turned = evaluate(metric, x, y.flip(0))
    for name in whole.keys() - {'frechet_ratio'}:  # of halves of the samples
        assert turned[name] == pytest.approx(whole[name]), name
    assert turned['frechet_ratio'] == pytest.approx(whole['frechet_ratio'], rel=0.5)


def test_float_images_are_judged_as_bytes_are(metric):
    x, y = images(20), images(20, seed=1)
    assert evaluate(metric, x, y.double()) == evaluate(metric, x, y)


def test_classes_count_where_they_were_asked_for(metric):
    x, y = images(40), images(40, seed=1)
    right = y.flatten(1).argmax(1)
    asked = torch.where(torch.arange(40) < 30, right, (right + 1) % 4).tolist()
    found = evaluate(metric, x, y, label=asked, conditional=[True] * 40)
    assert found['class_accuracy'] == 75
    found = evaluate(metric, x, y, label=asked, conditional=[False] * 40)
    assert 'class_accuracy' not in found
    found = evaluate(metric, x, y, label=asked)
    assert 'class_accuracy' not in found
    with pytest.raises(
        UserError, match='it tells 4 classes, and the data have the label 7'
    ):
        evaluate(metric, x, y, label=[7] * 40, conditional=[True] * 40)


def test_few_samples_have_few_neighbours(metric, warnings_logged):
    found = evaluate(metric, images(4), images(4, seed=1))
    assert all(math.isfinite(value) for value in found.values())
    assert warnings_logged == [
        'GenerationMetric: 4 samples have 3 neighbors, not 5, for precision to coverage'
    ]
    with pytest.raises(UserError, match='3 samples are too few'):
        evaluate(metric, images(3), images(3))


def test_constant_samples(metric):
    x = images(20)
    found = evaluate(metric, x, torch.full_like(x, 7))
    assert found['inception_score'] == pytest.approx(1)
    assert found['recall'] == 0
    found = evaluate(metric, torch.full_like(x, 7), torch.full_like(x, 7))
    assert found['frechet_distance'] == found['frechet_floor'] == 0
    assert math.isnan(found['frechet_ratio'])


@pytest.mark.parametrize('value', [math.nan, math.inf])
def test_samples_that_are_not_finite(metric, warnings_logged, value):
    y = images(20, seed=1).float()
    y[3, 0, 1, 1] = value
    found = evaluate(metric, images(20), y)
    assert all(math.isnan(value) for value in found.values())
    assert warnings_logged == [
        'GenerationMetric: 1 of 20 samples hold values that are not finite; there is '
        'nothing to compare'
    ]


def test_the_report(metric):
    y = images(40, seed=1)
    labels = y.flatten(1).argmax(1).tolist()
    found = evaluate(metric, images(40), y, label=labels, conditional=[True] * 40)
    lines = metric.lines({PREFIX + name: value for name, value in found.items()})
    assert lines[0] == 'the judge is pixels, right on 97.50 % of its held-out images'
    assert f'{found["frechet_ratio"]:.2f} times the floor' in lines[1]
    assert lines[-1].startswith('the judge sees the class that was asked for in 100.00')
    metric.judge.accuracy = None
    lines = metric.lines({PREFIX + name: value for name, value in found.items()})
    assert lines[0] == 'the judge is pixels'


@pytest.mark.parametrize(
    ('settings', 'error', 'match'),
    [
        (dict(num_neighbors=0), ValueError, 'num_neighbors 0 is not at least 1'),
        (dict(splits=0), ValueError, 'splits 0 is not at least 1'),
        (dict(judge=dict()), UserError, 'neither dict'),
        (dict(judge=dict(config='a.py', inception='b')), UserError, 'neither dict'),
        (dict(judge=dict(confg='a.py')), UserError, "'confg'; did you mean 'config'"),
        (dict(judge=dict(config='lenet/none.py')), UserError, 'no config lenet/none'),
    ],
)
def test_refused_arguments(settings, error, match):
    judge = dict(config='lenet/lenet5-modern_1xb64-20e_digits.py')
    with pytest.raises(error, match=match):
        GenerationMetric(**{'judge': judge, **settings})


def test_predictions_of_a_translator_are_refused(metric):
    with pytest.raises(UserError, match="no 'real' but real_a, fake_b; it is Transl"):
        metric.process(None, [dict(real_a=images(1)[0], fake_b=images(1)[0])])


def evaluate_in_part(rank, folder, metric, rows, queue):
    """As one of two processes, whose data are every other one."""
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{folder}/group', rank=rank, world_size=2
    )
    part = rows[rank::2]
    metric.process(None, part + rows[: (len(rows) + 1) // 2 - len(part)])
    queue.put(metric.evaluate(len(rows)))
    torch.distributed.barrier()


def test_two_processes_see_what_one_does(metric, tmp_path):
    x, y = images(21), images(21, seed=1)
    labels = y.flatten(1).argmax(1).tolist()
    more = dict(label=labels, conditional=[True] * 21)
    one = evaluate(metric, x, y, **more)
    rows = [
        dict(real=x[i], fake=y[i], label=labels[i], conditional=True) for i in range(21)
    ]
    context = multiprocessing.get_context('fork')
    queue = context.Queue()
    processes = [
        context.Process(
            target=evaluate_in_part, args=(rank, tmp_path, metric, rows, queue)
        )
        for rank in range(2)
    ]
    for process in processes:
        process.start()
    found = [queue.get(timeout=120) for _ in processes]
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0]
    expected = {PREFIX + name: value for name, value in one.items()}
    assert found == [expected, expected]


# ------------------------------------------- train on synthetic, test on real
@pytest.fixture
def held_out(metric, monkeypatch):
    """A metric that asks for them, of images whose class is a bright pixel."""
    metric.held_out = dict(type='x')
    monkeypatch.setattr(metrics, '_loaded', lambda _: bright(30, seed=9))
    metric.judge.cfg = None
    return metric


def bright(num, seed=0):
    x = images(num, seed) // 2
    labels = x.flatten(1).long().argmax(1)
    rows = torch.arange(num)
    x.view(num, 4)[rows, labels] = 255
    return x, labels


def test_images_are_kept_for_a_classifier(held_out, monkeypatch):
    x, labels = bright(20)
    asked = []

    def top1(cfg, images, labels, data, device):
        asked.append((images, labels))
        return 10.0 * len(asked)

    monkeypatch.setattr(metrics, 'top1', top1)
    found = evaluate(held_out, x, x + 1, label=labels.tolist(), conditional=[True] * 20)
    assert (found['synthetic_top1'], found['real_top1']) == (10, 20)
    assert torch.equal(asked[0][0], x + 1)
    assert torch.equal(asked[1][0], x)
    assert torch.equal(asked[0][1], labels)
    line = held_out.lines({PREFIX + name: value for name, value in found.items()})[-1]
    assert 'right on 10.00 % of 30 held-out images' in line
    evaluate(held_out, x, x, label=labels.tolist(), conditional=[False] * 20)
    assert len(asked) == 2


def test_a_classifier_learns_from_what_it_is_shown(monkeypatch):
    from projects.core.config import load_config

    cfg = load_config('lenet/lenet5-modern_1xb64-20e_digits.py')
    monkeypatch.setattr(synthetic, 'ITERATIONS', 25)
    monkeypatch.setattr(synthetic, 'BATCH_SIZE', 16)
    # a bright quarter of the image
    (x, labels), (y, of_y) = (
        (part[0].repeat_interleave(14, 2).repeat_interleave(14, 3), part[1])
        for part in (bright(64), bright(40, seed=1))
    )
    torch.manual_seed(5)
    state = torch.get_rng_state()
    right = synthetic.top1(cfg, x, labels, (y, of_y))
    assert torch.equal(torch.get_rng_state(), state)
    assert right > 90
    wrong = synthetic.top1(cfg, x, (labels + 1) % 4, (y, of_y))
    assert wrong < 10
    assert synthetic.top1(cfg, x, labels, (y, of_y)) == right
    with pytest.raises(UserError, match='it tells 10 classes'):
        synthetic.top1(cfg, x, labels + 9, (y, of_y))
