"""Pictures of trained models, and what the tool says of mistakes."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from projects.core.engine.inference import load_model
from projects.core.insight.heat_maps import choose_layer, heat_map
from projects.core.insight.look_inside import look_inside
from projects.core.tasks.language.task import TASK as LANGUAGE
from projects.core.tasks.task import LookOptions, task_of
from projects.yolov1.draw_grid import origins

ROOT = Path(__file__).parents[2]
TOOL = ROOT / 'tools/analysis_tools/look_inside.py'


@pytest.fixture
def digit(tmp_path, fresh):
    """A picture of a digit of 8 x 8 pixels."""
    from projects.core.datasets.digits import DigitsDataset

    path = tmp_path / 'digit.png'
    cv2.imwrite(str(path), DigitsDataset('val').get_data_info(0)['img'])
    return str(path)


@pytest.fixture
def scene(digits_coco, fresh):
    """A picture that the detector of ``checkpoint`` knows by heart."""
    return str(sorted((digits_coco / 'train').glob('*.jpg'))[0])


def subject_of(checkpoint, image, **options):
    model, cfg, meta = load_model(checkpoint)
    look = LookOptions(checkpoint, **options)
    return task_of(cfg).subject(model, cfg, meta, image, look)


@pytest.fixture
def log(monkeypatch):
    """What is said at the end."""
    lines = []
    monkeypatch.setattr(
        'projects.core.insight.look_inside.print_log',
        lambda text, *_: lines.append(text),
    )
    return lines


def test_all_that_a_classifier_can_serve(lenet, digit, log):
    files = look_inside(lenet, digit, out_dir='out')
    names = ['heat-map', 'features', 'filters', 'receptive-field']
    assert files == [f'out/digit_{name}.png' for name in names]
    assert sorted(Path('out').glob('*.png')) == sorted(map(Path, files))
    for file in files:
        assert min(cv2.imread(file).shape[:2]) > 150
    (text,) = log
    assert text.startswith(f'{digit}, seen by ImageClassifier with LeNet: ')
    assert 'no attention: LeNet has no attention' in text
    assert 'Grad-CAM at backbone.pool2: bright is what raises' in text
    assert 'backbone.pool2 16 x 16 px' in text
    # pictures of its own are replaced
    assert look_inside(lenet, digit, out_dir='out', what='filters') == [files[2]]


def test_class_and_layer_are_chosen(lenet, digit, log):
    look_inside(lenet, digit, 'heat-map', class_='8', layer='backbone.conv2')
    assert 'at backbone.conv2: bright is what raises 8, ' in log[0]
    first = Path('look/digit_heat-map.png').read_bytes()
    look_inside(lenet, digit, 'heat-map', class_=5, layer='backbone.conv2')
    assert Path('look/digit_heat-map.png').read_bytes() != first


def test_weights_with_a_config(lenet, digit, log, tmp_path):
    weights = tmp_path / 'weights.pth'
    saved = torch.load(lenet, weights_only=False)
    torch.save(saved['state_dict'], weights)
    config = ROOT / 'configs/lenet/lenet5-modern_1xb64-20e_digits.py'
    look_inside(lenet, digit, 'filters', out_dir='a')
    look_inside(str(weights), digit, 'filters', out_dir='b', config=str(config))
    assert log[0].split('\n')[0] == log[-1].split('\n')[0]  # prediction with names
    drawn = [Path(folder, 'digit_filters.png').read_bytes() for folder in 'ab']
    assert drawn[0] == drawn[1]


def test_image_files_are_read_as_by_infer(lenet, digit, tmp_path):
    """Grey, with alpha, in colour, turned by its EXIF: the same input."""
    expected = subject_of(lenet, digit)
    grey = Image.open(digit)
    turned = Image.Exif()
    turned[0x0112] = 3  # upside down
    for name, image, options in (
        ('alpha.png', grey.convert('RGBA'), {}),
        ('colour.bmp', grey.convert('RGB'), {}),
        ('turned.png', grey.rotate(180), dict(exif=turned)),
    ):
        path = str(tmp_path / name)
        image.save(path, **options)
        subject = subject_of(lenet, path)
        assert torch.equal(subject.inputs, expected.inputs), name
        assert np.array_equal(subject.picture, expected.picture)
        assert subject.prediction == expected.prediction


class TestDetectors:
    def test_heat_is_on_the_box(self, checkpoint, scene):
        subject = subject_of(checkpoint, scene)
        assert subject.targets
        for target in subject.targets:
            layer = choose_layer(subject, target)
            heat = heat_map(subject, target, layer, 'hirescam')
            x1, y1, x2, y2 = (round(x) for x in target.box)
            inside = heat[y1 : y2 + 1, x1 : x2 + 1]
            assert inside.mean() > 2 * heat.mean()

    def test_grid_and_detections(self, checkpoint, scene, log):
        files = look_inside(checkpoint, scene, ['grid', 'heat-map'], detection=0)
        assert [Path(file).stem.split('_')[1] for file in files] == ['grid', 'heat-map']
        assert '4 x 4 cells with confidences' in log[0]
        assert (
            'HiResCAM at backbone.stages.3: bright is what raises detection 0' in log[0]
        )

    @torch.no_grad()
    def test_cells_that_find(self, checkpoint, scene):
        subject = subject_of(checkpoint, scene)
        head = subject.model.bbox_head
        metas = [dict(batch_input_shape=(64, 64), img_shape=(64, 64))]
        outs = head(subject.model.extract_feat(subject.inputs))
        boxes, scores = (x[0] for x in head.decode(*outs, metas))
        found = head.predict_by_feat(*outs, metas, rescale=False)[0]
        found = found[:5]
        cells, numbers = origins(boxes, scores, found).T
        assert torch.equal(boxes[cells, numbers], found.bboxes)
        assert torch.equal(scores[cells, numbers, found.labels], found.scores)

    def test_mistakes_are_said(self, checkpoint, scene, error_of):
        def error(**options):
            return error_of(look_inside, checkpoint, scene, out_dir='none', **options)

        assert 'detections in the image, from 0' in error(detection=10**6)
        assert '--class zebra: there are' in error(class_='zebra')
        message = error(what='matches')
        assert 'SingleStageDetector with YOLOv1Backbone, of which there are' in message
        assert message.endswith('grid')
        assert not Path('none').exists()


def test_mistakes_are_said(lenet, digit, tmp_path, error_of):
    def error(checkpoint=lenet, image=digit, **options):
        return error_of(look_inside, checkpoint, image, out_dir='none', **options)

    assert "did you mean 'heat-map'?" in error(what='heatmap')
    assert '--what attention: LeNet has no attention' in error(what='attention')
    assert '--method gradcan: there are gradcam, gradcam++' in error(method='gradcan')
    assert "did you mean 'backbone.conv2'" in error(layer='backbone.conv9')
    assert '--class zebra: there are 0, 1, 2' in error(class_='zebra')
    assert 'holds an image classifier; choose a class' in error(detection=0)
    assert 'there is no image or folder none.png' in error(image='none.png')
    assert 'is a folder: give one image' in error(image=str(tmp_path))
    assert 'detection: a whole number of at least 0' in error(detection=-1)
    Path('text.png').write_text('no image')
    assert 'text.png' in error(image='text.png')
    assert 'none.pth' in error(checkpoint='none.pth')
    variant = str(ROOT / 'configs/_base_/models/lenet5.py')
    assert 'give a run config' in error(config=variant)
    assert not Path('none').exists()


def test_names_of_classes_are_drawn_as_they_are(lenet, digit, tmp_path):
    saved = torch.load(lenet, weights_only=False)
    names = [f'{i}: $\\frac{{$\n{"very " * 6}long' for i in range(10)]
    saved['meta']['dataset_meta']['classes'] = names
    torch.save(saved, tmp_path / 'odd.pth')
    subject = subject_of(str(tmp_path / 'odd.pth'), digit)
    assert all('\n' not in t.title and len(t.title) < 34 for t in subject.targets)
    look_inside(str(tmp_path / 'odd.pth'), digit, 'heat-map', out_dir='out')
    assert Path('out/digit_heat-map.png').exists()


def test_weights_that_are_not_finite_are_named(lenet, digit, tmp_path, error_of):
    saved = torch.load(lenet, weights_only=False)
    name = next(iter(saved['state_dict']))
    saved['state_dict'][name][0] = torch.nan
    torch.save(saved, tmp_path / 'nan.pth')
    path = str(tmp_path / 'nan.pth')
    message = error_of(look_inside, path, digit, out_dir='none')
    assert f'{name} holds numbers that are not finite' in message
    assert not Path('none').exists()


def test_a_foreign_file_is_not_replaced(lenet, digit, error_of):
    Path('out').mkdir()
    Path('out/digit_filters.png').write_text('mine')
    assert 'is not replaced' in error_of(look_inside, lenet, digit, out_dir='out')
    assert [path.name for path in Path('out').iterdir()] == ['digit_filters.png']


def test_a_model_of_texts_is_pointed_elsewhere(error_of):
    message = error_of(
        LANGUAGE.subject, torch.nn.Identity(), {}, {}, 'a.png', LookOptions('gpt.pth')
    )
    assert 'gpt.pth holds a Identity, a model of sequences, which takes no' in message
    assert 'draw_text_attention.py' in message


def test_help_needs_no_torch():
    done = subprocess.run(
        [sys.executable, '-X', 'importtime', str(TOOL), '--help'],
        capture_output=True,
        text=True,
        check=True,
    )
    assert '--what' in done.stdout
    assert ' torch' not in done.stderr
