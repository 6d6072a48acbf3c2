"""A key of a model that no source reads is named; one that is read is not."""

import pytest

from projects.core.config import load_config, unread_keys
from projects.core.errors import UserError

SSD = 'ssd/ssd-mini_1xb16-22e_digits-coco.py'
LENET = 'lenet/lenet5-modern_1xb64-20e_digits.py'


@pytest.mark.parametrize(
    ('config', 'option', 'meant'),
    [
        (SSD, 'model.test_cfg={"score_thrr": 0.1}', "did you mean 'score_thr'"),
        (SSD, 'model.test_cfg.nms={"iou_thresholdd": 0.1}', "'iou_threshold'"),
        (LENET, 'model.train_cfg={"augmnts": []}', "'augments'"),
    ],
)
def test_misspelt_key(config, option, meant):
    cfg = load_config(config)
    path, _, value = option.partition('=')
    cfg.merge_from_dict({path: {'_delete_': True, **eval(value)}})
    with pytest.raises(UserError, match='nothing reads the key') as error:
        unread_keys(cfg)
    assert f': {path}.' in str(error.value)
    assert meant in str(error.value)


def test_key_without_a_close_name_is_a_notice():
    cfg = load_config(SSD, ['model.test_cfg.zzyzx=3'])
    (notice,) = unread_keys(cfg)
    assert notice.endswith("model.test_cfg.zzyzx: nothing reads the key 'zzyzx'")


def test_names_of_the_user_s_are_free():
    cfg = load_config(SSD, ['model.bbox_head.metainfo={"zzyzx": 1}'])
    assert unread_keys(cfg) == []


@pytest.mark.parametrize('config', [SSD, LENET])
def test_no_false_alarm(config):
    assert unread_keys(load_config(config)) == []
