"""A COCO file as large as train2017's, of made boxes and polygons."""

import json

import numpy as np

WIDTH, HEIGHT = 640, 480


def write_large_coco(
    path, num_images=118_000, num_boxes=860_000, num_classes=80, num_points=25, seed=0
):
    """Write it; 466 MB with the default sizes.

    Objects are ellipses of a polygon each, one in a hundred is a crowd of run lengths.
    Classes differ in frequency, as COCO's do: a person in three.
    """
    rng = np.random.default_rng(seed)
    images = np.sort(rng.integers(0, num_images, num_boxes))
    classes = (num_classes * rng.random(num_boxes) ** 2).astype(int)
    low = rng.random((num_boxes, 2)) * (WIDTH - 40, HEIGHT - 40)
    room = np.array([WIDTH, HEIGHT]) - low
    sides = np.clip(rng.lognormal(3.8, 0.9, (num_boxes, 2)), 4, room * 0.9)
    angles = np.linspace(0, 2 * np.pi, num_points, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], 1)
    circle = (circle - circle.min(0)) / np.ptp(circle, 0)  # (points, 2) in [0, 1]
    x, y = circle.T
    share = abs(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)) / 2
    with open(path, 'w', encoding='utf-8') as file:
        file.write('{"info": {}, "licenses": [], "images": [')
        file.write(
            ',\n'.join(
                f'{{"license": 3, "file_name": "{i:012}.jpg", "coco_url": '
                f'"http://images.example.org/train2017/{i:012}.jpg", "height": '
                f'{HEIGHT}, "width": {WIDTH}, "date_captured": "2013-11-14 11:18:45", '
                f'"flickr_url": "http://example.org/{i:012}_o.jpg", "id": {i}}}'
                for i in range(num_images)
            )
        )
        file.write('], "annotations": [')
        for i in range(num_boxes):
            (x, y), (w, h) = low[i].tolist(), sides[i].tolist()
            is_crowd = i % 100 == 99
            if is_crowd:
                mask = '{"counts": [272, 2, 4, 4, 4, 4, 2, 9, 1, 2, 16, 43, 143, 24, '
                mask += (
                    f'5, 8, 16, 44, 141, 25, 8, 5, 17, 44], "size": [{HEIGHT}, 640]}}'
                )
            else:
                points = low[i] + circle * sides[i]
                mask = f'[[{", ".join(f"{v:.2f}" for v in points.ravel().tolist())}]]'
            file.write(
                f'{"," if i else ""}\n{{"segmentation": {mask}, "area": '
                f'{w * h * share:.4f}, "iscrowd": {int(is_crowd)}, "image_id": '
                f'{images[i]}, "bbox": [{x:.2f}, {y:.2f}, {w:.2f}, {h:.2f}], '
                f'"category_id": {classes[i] + 1}, "id": {i + 1}}}'
            )
        names = [dict(id=i + 1, name=f'class {i}') for i in range(num_classes)]
        file.write(f'], "categories": {json.dumps(names)}}}')
