"""What the README says can be typed, and its example trains."""
import json
import re
from pathlib import Path

from projects import list_models
from projects.core.datasets.digits_coco import make_digits_coco
from projects.core.engine import train

ROOT = Path(__file__).parents[1]
README = (ROOT / 'README.md').read_text(encoding='utf-8')


def test_files_that_are_named_exist():
    names = re.findall(r'(?:configs|tools|resources|projects)/[\w./-]+\.\w+',
                       README)
    links = re.findall(r'\]\(([\w./-]+)\)', README)
    assert len(names) > 8
    for name in {*names, *links} - {'configs/my.py'}:
        assert (ROOT / name).is_file(), name


def test_every_plugin_and_variant_is_in_the_table():
    for folder in (ROOT / 'projects').iterdir():
        if (folder / '__init__.py').is_file() and folder.name != 'core':
            assert f'[{folder.name}](projects/{folder.name}/README.md)' in (
                README)
    for name in list_models():
        assert f'`{name}`' in README, name


def test_the_config_for_own_data_trains(tmp_path, monkeypatch):
    config = re.search(r'```python\n(_base_ = .*?)```', README, re.S)[1]
    config = config.replace("'./yolov1/", f"'{ROOT}/configs/yolov1/")
    (tmp_path / 'my.py').write_text(config)
    # digits 0 and 1 of digits-coco in the place of cats and dogs
    make_digits_coco(tmp_path / 'made', num_train=8, num_val=8)
    root = tmp_path / 'data/pets'
    (root / 'images').mkdir(parents=True)
    for split in ('train', 'val'):
        data = json.loads(
            (tmp_path / f'made/annotations/{split}.json').read_text())
        data['categories'] = [dict(id=1, name='cat'), dict(id=2, name='dog')]
        for image in data['images']:
            name = image['file_name']
            image['file_name'] = f'{split}_{name}'
            (tmp_path / 'made' / split / name).rename(
                root / 'images' / image['file_name'])
        for annotation in data['annotations']:
            annotation['category_id'] = 1 + annotation['category_id'] % 2
        (root / f'{split}.json').write_text(json.dumps(data))
    monkeypatch.chdir(tmp_path)
    runner = train('my.py', cfg_options=[
        'train_cfg.max_epochs=1', 'train_cfg.val_interval=1',
        'train_dataloader.batch_size=4', 'train_dataloader.num_workers=0',
        'val_dataloader.num_workers=0'])
    assert runner.iter == 2
    assert runner.val_dataloader.dataset.metainfo['classes'] == ('cat', 'dog')
