import json
import re
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope

from projects.core.config.saved import JSON_KEY, config_to_json
from projects.core.engine import infer
from projects.core.engine.inference import load_model
from projects.core.export import exporting, formats
from projects.core.export.exporting import export
from projects.core.tasks.detection.export import DetectorExport, nms, only_best
from projects.core.tasks.exported import Exported, ExportOptions, difference
from projects.core.tasks.image_parts import channels_of
from projects.core.tasks.task import task_of
from projects.registry import MODELS

ROOT = Path(__file__).parents[2]
LENET = 'lenet/lenet5-modern_1xb64-20e_digits.py'
YOLO = 'yolov1/yolov1-mini_1xb16-15e_digits-coco.py'
SSD = 'ssd/ssd-mini_1xb16-22e_digits-coco.py'
CLASSES = [str(i) for i in range(10)]
SMALL = dict(type='Resize', scale=(64, 64), keep_ratio=False)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(exporting, 'SECONDS', 0)
    monkeypatch.setattr(exporting, 'ROUNDS', 1)


@torch.no_grad()
def _learn_statistics(model):
    """Let batch norms normalise, or all scores of an untrained model are the same."""
    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    if norms and hasattr(model, 'extract_feat'):
        for norm in norms:
            norm.momentum = None
        model.train().extract_feat(torch.randn(4, channels_of(model), 64, 64))


@pytest.fixture(scope='module')
def save(tmp_path_factory):
    """Function that writes the checkpoint of an untrained model of a run config."""

    def write(config, **model):
        cfg = Config.fromfile(ROOT / 'configs' / config)
        cfg.merge_from_dict(dict(model=model))
        if cfg.default_scope == 'mmdet':
            pipeline = cfg.test_dataloader.dataset.pipeline
            resize = next(s for s in pipeline if s['type'] == 'Resize')
            resize.update(SMALL)
        torch.manual_seed(0)
        with DefaultScope.overwrite_default_scope(cfg.default_scope):
            built = MODELS.build(cfg.model)
            built.init_weights()
        _learn_statistics(built)
        path = tmp_path_factory.mktemp('run') / 'model.pth'
        meta = {JSON_KEY: config_to_json(cfg), 'dataset_meta': dict(classes=CLASSES)}
        torch.save(dict(meta=meta, state_dict=built.state_dict()), path)
        return str(path)

    return write


@pytest.fixture(scope='module')
def small(save):
    """Function that gives the checkpoint of a config, made once."""
    made = {}
    # of 64 x 64 pixels 12 x 12 cells would be the same ones four times
    yolo = dict(bbox_head=dict(grid_size=4), test_cfg=dict(score_thr=1e-6))
    changes = {YOLO: yolo}
    return lambda config: (
        made.get(config)
        or made.setdefault(config, save(config, **changes.get(config, {})))
    )


def exported_of(checkpoint, **options):
    model, cfg, meta = load_model(checkpoint)
    options = ExportOptions(checkpoint, **options)
    return task_of(cfg).exported(model, cfg, meta, options)


def images(num, channels, height, width):
    return np.random.default_rng(0).integers(
        0, 256, (num, channels, height, width), np.uint8
    )


def test_a_classifier_runs_by_the_example_of_the_tool(
    small, tmp_path, monkeypatch, capsys
):
    """The text of --help, on a digit, gives the scores of tools/infer.py."""
    checkpoint = small(LENET)
    out = str(tmp_path / 'epoch_20.onnx')
    result = export(checkpoint, out=out)
    assert result.differences['scores'] < 1e-5
    image = np.kron(images(1, 1, 7, 7)[0, 0], np.ones((4, 4), np.uint8))
    cv2.imwrite(str(tmp_path / 'photo.png'), image)
    monkeypatch.chdir(tmp_path)
    text = (ROOT / 'tools/export.py').read_text()
    example = re.search(r'\n((    import json\n)(?:    .*\n|\n)*?)"""', text).group(1)
    capsys.readouterr()
    exec(re.sub('^    ', '', example, flags=re.MULTILINE), {})
    shown = capsys.readouterr().out
    name, scores = shown.split(maxsplit=1)
    scores = np.array(re.findall(r'[\d.e-]+', scores), float)
    (row,) = infer(checkpoint, str(tmp_path / 'photo.png'), str(tmp_path / 'p'))
    assert name == 'scores'
    assert len(scores) == 10
    best = row['predictions'][0]
    assert scores.argmax() == int(best['class'])
    np.testing.assert_allclose(scores.max(), best['score'], atol=1e-5)

    model = onnx.load(out)
    facts = {p.key: p.value for p in model.metadata_props}
    assert json.loads(facts['classes']) == CLASSES
    assert json.loads(facts['mean']) == json.loads(facts['std']) == [127.5]
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == 'batch'


@pytest.mark.slow
def test_detections_are_those_of_the_head(small, tmp_path):
    """Of a batch of another size than any that was traced or compared."""
    checkpoint, out = small(YOLO), str(tmp_path / 'yolo.onnx')
    export(checkpoint, out=out)
    batch = images(5, 3, 64, 64)
    session = onnxruntime.InferenceSession(out)
    boxes, scores, labels, num_dets = session.run(None, {'images': batch})
    with torch.no_grad():
        wanted = exported_of(checkpoint).expected(torch.from_numpy(batch))
    assert num_dets.tolist() == wanted[3].tolist()
    assert num_dets.sum() > 5
    np.testing.assert_allclose(boxes, wanted[0], atol=1e-3)
    np.testing.assert_allclose(scores, wanted[1], atol=1e-5)
    assert (labels == wanted[2].numpy()).all()
    first = num_dets[0]
    assert (labels[0, first:] == -1).all()
    assert (scores[0, first:] == 0).all()
    assert boxes.min() >= 0
    assert boxes.max() <= 64


@pytest.mark.parametrize('nms_pre', [400, 5])
@pytest.mark.parametrize('config', [YOLO, SSD])
def test_graph_of_a_detector_is_the_head_prediction(small, config, nms_pre):
    """Also where few candidates enter NMS, of an image or of a class."""
    exported = exported_of(small(config))
    for network in (exported.model, exported.network):
        network.bbox_head.test_cfg.update(nms_pre=nms_pre, max_per_img=20)
    batch = torch.from_numpy(images(3, 3, 64, 64))
    with torch.no_grad():
        outs, expected = exported.graph(batch), exported.expected(batch)
    assert expected[3].sum() > 5
    assert max(exported.differences(outs, expected).values()) < 1e-5


@pytest.mark.slow
def test_raw_outputs_of_ssd_in_a_torch_program(small, tmp_path):
    out = str(tmp_path / 'ssd.pt2')
    assert export(small(SSD), format='torch', raw=True, out=out).file == out
    extra = {formats.FACTS: ''}
    program = torch.export.load(out, extra_files=extra)
    batch = torch.from_numpy(images(4, 3, 64, 64))
    boxes, scores = program.module()(batch)
    # 8 x 8, 4 x 4 and 2 x 2 positions with four default boxes each
    assert boxes.shape == (4, 336, 4)
    assert scores.shape == (4, 336, 10)
    assert (scores.sum(2) < 1).all()  # the rest is the background's
    assert json.loads(extra[formats.FACTS])['score_thr'] == 0.01


class NMS(torch.nn.Module):
    def forward(self, boxes, scores):
        return (nms(boxes, scores, 0.5, 0.1),)


@pytest.mark.parametrize('in_onnx', [False, True])
def test_nms_by_hand(in_onnx):
    """Class 0: IoU of the first two is 90 / 110 > 0.5, so the second goes, and what
    is below the threshold; class 1 knows nothing of class 0."""
    boxes = torch.tensor([[[0.0, 0, 10, 10], [1, 0, 11, 10], [20, 20, 30, 30]]])
    scores = torch.tensor([[[0.9, 0.8, 0.05], [0.3, 0.0, 0.2]]])
    run = NMS()
    if in_onnx:
        exported = Exported()
        exported.operators = DetectorExport.operators
        exported.inputs = {'boxes': (None,) * 3, 'scores': (None,) * 3}
        exported.outputs = {'stays': 'bool'}
        exported.convention, exported.facts = '', {}
        program = torch.export.export(run, (boxes, scores))
        run = formats.OnnxFormat(program, exported).run
    (stays,) = run(boxes, scores)
    assert stays.tolist() == [[[True, False, False], [True, False, True]]]


def test_only_best_by_hand():
    scores = torch.tensor([[0.1, 0.4, 0.3]])
    assert only_best(scores, 2).tolist() == [[-1, *scores[0, 1:].tolist()]]
    assert torch.equal(only_best(scores, 7), scores)


@pytest.mark.parametrize('flips', [True, False])
def test_rgb_goes_in_whatever_the_network_was_trained_on(save, flips):
    preprocessor = dict(
        mean=[10, 20, 30], std=[50, 60, 70], bgr_to_rgb=flips, rgb_to_bgr=False
    )
    exported = exported_of(save(SSD, data_preprocessor=preprocessor), raw=True)
    batch = torch.from_numpy(images(1, 3, 64, 64))
    # as cv2 reads a file: BGR
    data = dict(inputs=[batch[0].flip(0)], data_samples=None)
    wanted = exported.model.data_preprocessor(data)['inputs']
    torch.testing.assert_close(exported.normalize(batch), wanted)
    packed = exported._swapped(batch)
    assert torch.equal(packed[0], batch[0].flip(0))


def test_repvgg_is_exported_without_its_branches(save):
    exported = exported_of(save('repvgg/repvgg-narrow_1xb64-30e_digits.py'))
    names = [name for name, _ in exported.network.named_parameters()]
    assert any('reparam_conv' in name for name in names)
    assert not any('reparam_conv' in n for n, _ in exported.model.named_parameters())
    batch = torch.from_numpy(images(2, 1, 64, 64))
    with torch.no_grad():
        outs, expected = exported.graph(batch), exported.expected(batch)
    assert exported.differences(outs, expected)['scores'] < 1e-5


def test_detections_in_another_order_are_the_same(small):
    exported = exported_of(small(YOLO))
    boxes = torch.tensor([[[0.0, 0, 4, 4], [8, 8, 9, 9], [0, 0, 0, 0]]])
    scores, labels = torch.tensor([[0.5, 0.5, 0]]), torch.tensor([[1, 2, -1]])
    outs = boxes, scores, labels, torch.tensor([2])
    order = [1, 0, 2]
    turned = (*(x[:, order] for x in outs[:3]), outs[3])
    assert exported.differences(turned, outs)['boxes'] == 0
    other = boxes, scores, labels.clamp(max=1), outs[3]
    assert exported.differences(other, outs)['labels'] == float('inf')
    fewer = (*outs[:3], torch.tensor([1]))
    assert exported.differences(fewer, outs)['num_dets'] == float('inf')


def test_mistakes_are_said_and_nothing_is_left(
    small, tmp_path, error_of, monkeypatch, save
):
    checkpoint, out = small(LENET), tmp_path / 'out' / 'x.onnx'

    def error(*args, **options):
        return error_of(export, *args, **{'out': str(out), **options})

    program = tmp_path / 'out' / 'x.pt2'
    with monkeypatch.context() as patch:
        run = formats.TorchFormat.run
        patch.setattr(
            formats.TorchFormat, 'run', lambda self, *x: (run(self, *x)[0] + 2e-4,)
        )
        message = error(checkpoint, format='torch', out=str(program))
        assert 'torch.export computes differs from the model by 2.0e-04' in message
        assert not program.exists()
    assert 'there is no checkpoint' in error(str(tmp_path / 'none.pth'))
    assert 'ends in .onnx' in error(checkpoint, out='x.pt2')
    assert "'onnx' or 'torch'" in error(checkpoint, format='tf')
    assert 'has no use of it; leave it out' in error(checkpoint, raw=True)
    assert 'there is no image' in error(checkpoint, image='none.png')
    assert not out.exists()
    out.parent.mkdir(exist_ok=True)
    out.write_text('mine')
    assert 'was not made by this tool' in error(checkpoint)
    assert out.read_text() == 'mine'
    monkeypatch.setattr(formats, 'MAX_BYTES', 1000)
    other = str(tmp_path / 'y.onnx')
    assert 'use --format torch' in error(checkpoint, out=other)
    monkeypatch.setitem(sys.modules, 'onnxruntime', None)
    assert 'pip install onnx onnxruntime onnxscript' in error(checkpoint, out=other)


def test_a_detector_of_the_library_is_named(tmp_path, error_of):
    from projects.core.tasks.detection.task import TASK

    class Other:
        bbox_head = None

    message = error_of(TASK.exported, Other(), {}, {}, ExportOptions('a.pth'))
    assert 'a.pth holds the model Other with the head NoneType' in message
    assert 'projects.SSDHead' in message


def test_help_needs_no_torch():
    done = subprocess.run(
        [sys.executable, '-X', 'importtime', str(ROOT / 'tools/export.py'), '--help'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert '--dynamic' in done.stdout
    assert ' torch' not in done.stderr


FAMILIES = """
    alexnet/alexnet_1xb64-20e_digits
    capsnet/capsnet-mini_1xb32-36e_digits
    convnext/convnext-mini_1xb32-accum2-60e_digits
    densenet/densenet121_1xb64-10e_digits
    efficientnet/efficientnet-b0_1xb64-12e_digits
    efficientnetv2/efficientnet-v2-mini_1xb64-20e_digits
    googlenet/googlenet_1xb64-10e_digits
    mobilenet/mobilenet-v1-x025_1xb64-40e_digits
    mobilenet/mobilenet-v2-x035_1xb64-30e_digits
    mobilenet/mobilenet-v3-small_1xb64-30e_digits
    mobilevit/mobilevit-xxs_1xb64-20e_digits
    nin/nin_1xb64-40e_digits
    repvgg/repvgg-narrow_1xb64-30e_digits
    resnet/resnet18_1xb64-12e_digits
    shufflenet/shufflenet-v1-x0-5-g3_1xb64-24e_digits
    shufflenet/shufflenet-v2-x0-5_1xb64-24e_digits
    convnext/ssd-convnext-mini_1xb16-22e_digits-coco
    ssd/ssd-mini_1xb16-22e_digits-coco
    ssd/ssd-mobilenetv1-x025_1xb16-22e_digits-coco
    swin/swin-v2-mini_1xb64-36e_digits
    vgg/vgg11_1xb64-20e_digits
    vit/vit-mini_1xb64-100e_digits
""".split()


@pytest.mark.slow
@pytest.mark.parametrize('config', FAMILIES)
def test_each_family_runs_in_onnxruntime(save, tmp_path, config):
    result = export(save(f'{config}.py'), out=str(tmp_path / 'x.onnx'))
    assert max(result.differences.values()) < 1e-4


@pytest.mark.slow
def test_other_sizes_where_the_architecture_bears_them(small, save, tmp_path, error_of):
    """SSD's default boxes follow the maps; YOLOv1's grid stays, as its pooling does,
    and so do LeNet's linear layers."""
    out = str(tmp_path / 'x.onnx')
    result = export(small(SSD), dynamic='size', out=out)
    assert result.differences['boxes'] < 1e-5
    batch = images(2, 3, 96, 160)
    outs = onnxruntime.InferenceSession(out).run(None, {'images': batch})
    with torch.no_grad():
        expected = exported_of(small(SSD)).expected(torch.from_numpy(batch))
    assert outs[3].tolist() == expected[3].tolist()
    for config in (LENET, YOLO):
        message = error_of(
            export, small(config), dynamic='size', out=str(tmp_path / 'y.onnx')
        )
        assert 'bears no other size than' in message
    assert not (tmp_path / 'y.onnx').exists()


@pytest.mark.slow
def test_a_generator_makes_the_same_samples(save, tmp_path):
    """Also one that is asked for a class, which is an input of its own."""
    out = str(tmp_path / 'x.onnx')
    for name in ('dcgan-mini_1xb64-1200i_digits', 'cgan-mini_1xb64-4000i_digits'):
        result = export(save(f'gan/{name}.py'), out=out)
        assert result.differences['samples'] < 1e-5
    session = onnxruntime.InferenceSession(out)
    assert [i.name for i in session.get_inputs()] == ['latents', 'labels']


@pytest.mark.slow
def test_logits_of_a_language_model_of_any_length(save, tmp_path, error_of):
    model = dict(backbone=dict(vocab_size=50))
    checkpoint = save('gpt/gpt-mini_1xb8-1800i_source-bpe.py', **model)
    out = str(tmp_path / 'x.onnx')
    export(checkpoint, dynamic='size', out=out)
    tokens = np.arange(2 * 9).reshape(2, 9)
    (logits,) = onnxruntime.InferenceSession(out).run(None, {'tokens': tokens})
    assert logits.shape == (2, 9, 50)
    other = str(tmp_path / 'y.onnx')
    message = error_of(export, checkpoint, input_size=(4, 4), out=other)
    assert '--input-size' in message
    assert 'has no use of it' in message


@pytest.mark.parametrize(
    ('got', 'wanted'), [([1.0], [torch.nan]), ([torch.nan], [1.0]), ([1.0], [1.0, 1.0])]
)
def test_what_cannot_be_compared_is_infinitely_different(got, wanted):
    assert difference(torch.tensor(got), torch.tensor(wanted)) == float('inf')
