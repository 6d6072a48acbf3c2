"""Results of a detector that is right for the most part, and faults to plant."""

import itertools

import numpy as np

# neither from 0 nor in ascending order
CAT_IDS = np.array([3, 4, 5, 9, 8])
NUM_IMAGES = 10
FIRST_ID = 11
# whose order of names is not that of the ids
NAMES = [f'a{i * 7 % NUM_IMAGES}.jpg' for i in range(NUM_IMAGES)]


def world(num_images=NUM_IMAGES, num_classes=5, seed=0, missed=0.2, noise=0.06):
    """Sizes of images, (image, label, xywh) of objects, and columns of detections:
    image, label, box, score. A fifth of the objects is missed, a tenth of the labels
    wrong, and eight detections an image lie anywhere."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(300, 700, (num_images, 2)).astype(float)

    def boxes(image):
        wh = sizes[image] * rng.uniform(0.08, 0.5, (len(image), 2))
        return np.hstack([(sizes[image] - wh) * rng.random((len(image), 2)), wh])

    image = np.repeat(np.arange(num_images), rng.integers(3, 8, num_images))
    label = rng.integers(0, num_classes, len(image))
    box = boxes(image)
    keep = rng.random(len(image)) >= missed
    near = box + noise * rng.normal(size=box.shape) * box[:, [2, 3, 2, 3]]
    taken = np.where(
        rng.random(len(image)) < 0.1, rng.integers(0, num_classes, len(image)), label
    )
    anywhere = np.repeat(np.arange(num_images), 8)
    dets = dict(
        image=np.append(image[keep], anywhere),
        label=np.append(taken[keep], rng.integers(0, num_classes, len(anywhere))),
        box=np.vstack([near[keep], boxes(anywhere)]),
        score=np.append(
            rng.uniform(0.3, 1, keep.sum()), rng.uniform(0.01, 0.6, len(anywhere))
        ),
    )
    dets['sizes'] = sizes
    dets['image_id'] = dets['image'] + FIRST_ID
    dets['category_id'] = CAT_IDS[dets['label']]
    return sizes, (image, label, box), dets


def document(sizes, image, label, box, num_classes=5):
    """COCO file of objects, the ids from 1."""
    return dict(
        images=[
            dict(id=FIRST_ID + i, file_name=name, width=w, height=h)
            for i, (name, (w, h)) in enumerate(
                zip(NAMES * len(sizes), sizes.tolist(), strict=False)
            )
        ],
        categories=[
            dict(id=i, name=f'class{i}') for i in CAT_IDS[:num_classes].tolist()
        ],
        annotations=[
            dict(
                id=n,
                image_id=int(FIRST_ID + i),
                category_id=int(CAT_IDS[k]),
                bbox=xywh,
                area=xywh[2] * xywh[3],
                iscrowd=0,
            )
            for n, (i, k, xywh) in enumerate(
                zip(image, label, box.tolist(), strict=True), 1
            )
        ],
    )


def rows(dets):
    """A results file."""
    return [
        dict(image_id=i, category_id=k, bbox=box, score=score)
        for i, k, box, score in zip(
            *(dets[n].tolist() for n in ('image_id', 'category_id', 'box', 'score')),
            strict=True,
        )
    ]


def letterbox(box, size, side):
    """(N, 4) in a square of a side, the image in its middle; size: (N, 2)."""
    long = size.max(1, keepdims=True)
    corner = box[:, :2] + (long - size) / 2
    return np.hstack([corner, box[:, 2:]]) * side / long


def cxcywh(box, times=1):
    half = np.hstack([box[:, 2:] / 2, np.zeros_like(box[:, 2:])])
    return box + times * half


MEAN_AP = 0.512  # without faults
# what a fault changes: column, and its new values
FAULTS = {
    'axes': ('box', lambda d: d['box'][:, [1, 0, 3, 2]]),
    'xyxy': ('box', lambda d: cxcywh(d['box'], 0) + d['box'] @ np.eye(4, k=2)),
    'xywh as xyxy': ('box', lambda d: d['box'] - d['box'] @ np.eye(4, k=2)),
    'cxcywh': ('box', lambda d: cxcywh(d['box'])),
    'xywh as cxcywh': ('box', lambda d: cxcywh(d['box'], -1)),
    'normalised': ('box', lambda d: d['box'] / np.tile(size_of(d), 2)),
    'factor': ('box', lambda d: d['box'] * 0.37),
    'resized': ('box', lambda d: d['box'] * np.tile(448 / size_of(d), 2)),
    'ratio kept': ('box', lambda d: d['box'] * 640 / size_of(d).max(1)[:, None]),
    'letterbox': ('box', lambda d: letterbox(d['box'], size_of(d), 416)),
    'scaled twice': ('box', lambda d: d['box'] * np.tile(size_of(d) / 300, 2)),
    'permuted': ('category_id', lambda d: CAT_IDS[[2, 3, 4, 0, 1]][d['label']]),
    'two classes': ('category_id', lambda d: CAT_IDS[[1, 0, 2, 3, 4]][d['label']]),
    'labels': ('category_id', lambda d: d['label']),
    'labels from 1': ('category_id', lambda d: d['label'] + 1),
    'ids shifted': ('category_id', lambda d: d['category_id'] + 1),
    'next image': ('image_id', lambda d: d['image_id'] + 1),
    'counted': ('image_id', lambda d: d['image']),
    'by name': (
        'image_id',  # the n-th image by name has the n-th id
        lambda d: FIRST_ID + np.argsort(np.argsort(NAMES))[d['image']],
    ),
    'any image': (
        'image_id',
        lambda d: FIRST_ID + np.random.default_rng(5).permutation(10)[d['image']],
    ),
    'reversed': ('score', lambda d: 1 - d['score']),
}
# what is said of each
SAID = {
    'axes': 'x and y are exchanged',
    'xyxy': 'bbox holds x1, y1, x2, y2 (xyxy, read as xywh)',
    'xywh as xyxy': 'subtracted from the width and height (xywh, read as xyxy)',
    'cxcywh': 'bbox holds the centre, width and height',
    'xywh as cxcywh': 'half a box too far left and up',
    'normalised': 'the boxes are normalised to [0, 1]',
    'factor': 'times as far from the origin, and as large',
    'resized': 'in an image resized to 448 x 448, not scaled back',
    'ratio kept': 'with its ratio kept, to a longer side of 640, not scaled back',
    'letterbox': 'in a letterbox of side 416, not scaled back',
    'scaled twice': 'scaled back from 3',  # 300 x 300, or nearly so
    'permuted': 'id 3 is class9, id 4 is class8',
    'two classes': 'the classes are permuted: id 3 is class4, id 4 is class3',
    'labels': 'labels, counted from 0 in the order of the categories',
    'labels from 1': 'labels, counted from 1 in the order of the categories',
    'ids shifted': 'the category ids are shifted by one (+1)',
    'next image': 'the ids are shifted by one (each id is the next',
    'counted': 'count the images from 0 in the order of the file',
    'by name': 'in the order of the file names, the ids in that of the file',
    'any image': '9 of 10 image ids are those of other images',
    'reversed': 'the scores are reversed',
}
FRAMES = ('normalised', 'factor', 'resized', 'ratio kept', 'letterbox', 'scaled twice')
GROUPS = dict(
    frame=FRAMES,
    form=('xyxy', 'xywh as xyxy', 'cxcywh', 'xywh as cxcywh'),
    axes=('axes',),
    images=('next image', 'counted', 'by name', 'any image'),
    classes=('permuted', 'two classes', 'labels', 'labels from 1', 'ids shifted'),
    scores=('reversed',),
)  # in the order of planting; of a group one at a time makes sense
# what shows in which frame boxes are is whose image they are of
SENSELESS = {frozenset(['any image', frame]) for frame in FRAMES[1:]}
PAIRS = [
    pair
    for first, second in itertools.combinations(GROUPS, 2)
    for pair in itertools.product(GROUPS[first], GROUPS[second])
    if frozenset(pair) not in SENSELESS
]
SOME_PAIRS = [
    ('normalised', 'xyxy'),
    ('letterbox', 'permuted'),
    ('resized', 'next image'),
    ('cxcywh', 'labels'),
    ('axes', 'two classes'),
    ('permuted', 'reversed'),
]


def size_of(dets):
    return dets['sizes'][dets['image']]


def planted(*faults):
    """Results with faults, and the annotations."""
    sizes, objects, dets = world()
    for fault in faults:
        column, values = FAULTS[fault]
        dets = {**dets, column: values(dets)}
    return rows(dets), document(sizes, *objects)


def noise(rng, sizes, per_image, least=0.05, most=0.5):
    """What an untrained model may give."""
    image = np.repeat(np.arange(len(sizes)), per_image)
    wh = sizes[image] * rng.uniform(least, most, (len(image), 2))
    box = np.hstack([(sizes[image] - wh) * rng.random((len(image), 2)), wh])
    return dict(image=image, box=box, score=rng.random(len(image)))


def grid(sizes):
    """As of an untrained YOLO: each cell's box, of one size."""
    cells = np.indices((8, 8)).reshape(2, -1).T / 8
    image = np.repeat(np.arange(len(sizes)), len(cells))
    corner = np.tile(cells, (len(sizes), 1)) * sizes[image]
    return image, np.hstack([corner, sizes[image] / 8])


def untrained(kind, seed, num_images):
    """Results and annotations."""
    sizes, objects, dets = world(num_images, seed=seed, missed=0)
    rng = np.random.default_rng(seed + 100)
    if kind == 'boxes anywhere':
        dets = noise(rng, sizes, 20)
    elif kind == 'small boxes anywhere':
        dets = noise(rng, sizes, 40, 0.01, 0.1)
    elif kind == 'a grid':
        image, box = grid(sizes)
        dets = dict(image=image, box=box, score=rng.random(len(image)))
    elif kind == 'weak':
        _, objects, dets = world(num_images, seed=seed, missed=0.7, noise=0.15)
    dets['image_id'] = dets['image'] + FIRST_ID
    if kind == 'one class':
        dets['category_id'] = np.full(len(dets['image']), 4)
    elif kind not in ('weak', 'right'):
        dets['category_id'] = CAT_IDS[rng.integers(0, 5, len(dets['image']))]
    return rows(dets), document(sizes, *objects)


KINDS = [
    'right',
    'weak',
    'classes at random',
    'one class',
    'boxes anywhere',
    'small boxes anywhere',
    'a grid',
]
