"""digits-coco: a COCO detection set of real handwritten digits, made here.

What is on its images is in :mod:`projects.core.datasets.digits_canvas`; here
they become files, whole or not at all.
"""

import json
import time
from pathlib import Path

import cv2
from mmengine.logging import print_log

from projects.core.datasets.digits_canvas import SPLITS, generate_canvas
from projects.core.errors import UserError
from projects.core.folders import appearing, locked

CLASSES = tuple('0123456789')
# COCO's limits of the box area, pixels squared
MEDIUM_AREA, LARGE_AREA = 32**2, 96**2

# A part of every set's settings: raise it with any change of the images.
_VERSION = 1
_JPEG_QUALITY = 90


def make_digits_coco(
    root: str | Path,
    num_train: int = 2000,
    num_val: int = 300,
    image_size: int = 224,
    min_size: int = 16,
    max_size: int = 128,
    max_digits: int = 6,
    difficulty: float = 0.5,
    seed: int = 0,
) -> Path:
    """Make the set in ``root`` unless it is there already.

    Written are ``{train,val}/*.jpg`` and ``annotations/{train,val}.json``. All
    of it is made in a folder beside ``root`` and renamed in one step, under a
    lock, so that ``root`` never holds a part of a set and of several processes
    one makes it while the others wait.

    Args:
        root: Folder of the set. May be absent or empty.
        num_train: Number of training images.
        num_val: Number of validation images. Their digits are of other source
            images than those of the training images.
        image_size: Side S of the canvases, in pixels.
        min_size: Least longer side of a box, in pixels, 8 or more.
        max_size: Greatest longer side of a box, in pixels, at most S.
        max_digits: Greatest number of digits in an image.
        difficulty: From 0 (strong contrast, plain ground) to 1 (faint, noisy,
            slanted, crowded with distractors).
        seed: Of all random numbers. The same seed gives the same bytes, as
            long as OpenCV, NumPy and the digits do not change.

    Returns:
        ``root``, with symbolic links resolved.

    Raises:
        UserError: If a setting is out of range, or ``root`` holds something
            else, a part of a set, or a set with other settings.
    """
    root = Path(root).resolve()  # a link would be replaced, not followed
    settings = dict(
        num_train=num_train,
        num_val=num_val,
        image_size=image_size,
        min_size=min_size,
        max_size=max_size,
        max_digits=max_digits,
        difficulty=float(difficulty),
        seed=seed,
        version=_VERSION,
    )
    _check_settings(settings)
    if _is_made(root, settings):  # first without a lock: it may be read-only
        return root
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        with locked(root):
            if not _is_made(root, settings):
                _make(root, settings)
    except OSError as error:
        raise UserError(
            f'digits-coco cannot be written to {root}: {error}; '
            'choose a folder you may write to'
        ) from error
    return root


def read_settings(root: str | Path) -> dict | None:
    """Settings that the set in ``root`` was made with.

    Returns:
        None if ``root`` is absent or empty; an empty dict if a whole COCO set
        of this layout is there that states no settings.

    Raises:
        UserError: If ``root`` holds anything else than a whole set.
    """
    root = Path(root)
    if not root.exists() or (root.is_dir() and not any(root.iterdir())):
        return None
    fix = 'remove it to have it made anew, or choose another folder'
    if not all(_ann_file(root, split).is_file() for split in SPLITS):
        raise UserError(f'{root} exists and is no digits-coco set; {fix}')
    settings = {}
    for split in SPLITS:
        ann_file = _ann_file(root, split)
        try:
            coco = json.loads(ann_file.read_text('utf-8'))
            names = {image['file_name'] for image in coco['images']}
            settings = coco.get('info', {}).get('settings', {})
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(
                f'{ann_file} is no COCO annotation file ({error!r}); {fix}'
            ) from error
        missing = names - {path.name for path in (root / split).glob('*')}
        if missing:
            raise UserError(
                f'{root / split} lacks {len(missing)} of its '
                f'{len(names)} images ({min(missing)}); {fix}'
            )
    return settings


def summarize_digits_coco(root: str | Path) -> dict[str, dict[str, int]]:
    """Per split the number of images, of images without a digit (``empty``)
    and of boxes that COCO calls ``small``, ``medium`` and ``large``."""
    summary = {}
    for split in SPLITS:
        coco = json.loads(_ann_file(Path(root), split).read_text('utf-8'))
        anns = coco['annotations']
        sizes = [
            (ann['area'] >= MEDIUM_AREA) + (ann['area'] > LARGE_AREA) for ann in anns
        ]
        with_digit = {ann['image_id'] for ann in anns}
        summary[split] = dict(
            images=len(coco['images']),
            empty=len(coco['images']) - len(with_digit),
            small=sizes.count(0),
            medium=sizes.count(1),
            large=sizes.count(2),
        )
    return summary


def _ann_file(root: Path, split: str) -> Path:
    return root / 'annotations' / f'{split}.json'


def _check_settings(settings: dict) -> None:
    for name, value in settings.items():
        if name != 'difficulty' and not isinstance(value, int):
            raise UserError(f'{name} must be a whole number, got {value!r}')
    least = dict(
        num_train=1,
        num_val=1,
        max_digits=1,
        min_size=8,
        seed=0,
        max_size=settings['min_size'],
        image_size=settings['max_size'],
    )
    for name, bound in least.items():
        if settings[name] < bound:
            raise UserError(f'{name} must be at least {bound}, got {settings[name]}')
    if not 0 <= settings['difficulty'] <= 1:
        raise UserError(f'difficulty must be from 0 to 1, got {settings["difficulty"]}')


def _is_made(root: Path, settings: dict) -> bool:
    """Whether the set is there.

    Raises:
        UserError: If what is there is not this set.
    """
    found = read_settings(root)
    if found is None:
        return False
    if found == settings:
        return True
    differing = ', '.join(
        f'{name} {found.get(name, "unknown")} (asked: {value})'
        for name, value in settings.items()
        if found.get(name) != value
    )
    raise UserError(
        f'{root} holds a digits-coco made with other settings: {differing}; '
        'choose another folder, or remove this one to have it made anew'
    )


def _make(root: Path, settings: dict) -> None:
    """Write the whole set beside ``root``, then rename; the lock is held."""
    print_log(
        f'making digits-coco in {root}: {settings["num_train"]} + '
        f'{settings["num_val"]} images ...',
        'current',
    )
    start = time.perf_counter()
    with appearing(root) as part:
        (part / 'annotations').mkdir()
        for split in SPLITS:
            _write_split(part, split, settings)
    print_log(f'made digits-coco in {time.perf_counter() - start:.1f} s', 'current')


def _write_split(root: Path, split: str, settings: dict) -> None:
    (root / split).mkdir()
    images, anns = [], []
    canvas_cfg = {
        name: value
        for name, value in settings.items()
        if name not in ('num_train', 'num_val', 'version')
    }
    for image_id in range(1, settings[f'num_{split}'] + 1):
        image, digits = generate_canvas(split, image_id - 1, **canvas_cfg)
        name = f'{image_id:06d}.jpg'
        ok, jpeg = cv2.imencode(
            '.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
        )
        assert ok
        (root / split / name).write_bytes(jpeg.tobytes())
        height, width = image.shape[:2]
        images.append(
            dict(id=image_id, file_name=name, width=width, height=height, license=1)
        )
        for digit in digits:
            x, y, w, h = digit['bbox']
            anns.append(
                dict(
                    id=len(anns) + 1,  # pycocotools takes the id 0 for no match
                    image_id=image_id,
                    category_id=digit['label'] + 1,
                    bbox=[x, y, w, h],
                    area=w * h,
                    iscrowd=0,
                    segmentation=[],
                    source=digit['source'],
                )
            )
    coco = dict(
        info=dict(description=f'MMAtlas digits-coco, {split}', settings=settings),
        licenses=[
            dict(
                id=1,
                name='CC BY 4.0: E. Alpaydin, C. Kaynak (1998), Optical '
                'Recognition of Handwritten Digits, UCI',
                url='https://doi.org/10.24432/C50P49',
            )
        ],
        categories=[
            dict(id=label + 1, name=name, supercategory='digit')
            for label, name in enumerate(CLASSES)
        ],
        images=images,
        annotations=anns,
    )
    _ann_file(root, split).write_text(json.dumps(coco), 'utf-8')
