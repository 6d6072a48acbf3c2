"""The losses of a detector's validation, see
:mod:`projects.core.tasks.validation_losses`."""

from functools import partial

from mmdet.structures import DetDataSample
from mmengine.structures import InstanceData

from projects.core.tasks.validation_losses import ValidationLosses


def losses_of_detector(model, dataset) -> ValidationLosses | None:
    """Those of mmdet's detectors, and of ours.

    The backbone, the neck and the dense head, or the head of the proposals, are not
    computed again. What is: the second stage of a two-stage detector, which in its
    loss sees boxes that are sampled with the ground truth. A detector whose loss
    needs what its decoder gives in training alone, as DINO, has none: a warning says
    so.

    Args:
        model: A detector.
        dataset: Of the validation; whether its boxes are in the frame of the file or
            of the network's input is a matter of its pipeline.

    Returns:
        None for a detector without ``extract_feat``.
    """
    if not (hasattr(model, 'loss') and hasattr(model, 'extract_feat')):
        return None
    calls = [(model, 'extract_feat')]
    if hasattr(model, 'forward_transformer'):  # DETR and its descendants
        calls.append((model, 'forward_transformer'))
    for name in ('bbox_head', 'rpn_head'):
        if (head := getattr(model, name, None)) is not None:
            calls.append((head, 'forward'))
    return ValidationLosses(
        model, calls, partial(_labelled, in_file=boxes_are_of_the_file(dataset))
    )


def boxes_are_of_the_file(dataset) -> bool:
    """Whether a data set's boxes are pixels of the image file.

    They are where its pipeline loads the annotations after the resize, as that of a
    test does, so that they need no way back; else they are pixels of the input.

    Args:
        dataset: Of MMEngine's kind, maybe in wrappers.
    """
    while dataset is not None:
        steps = getattr(getattr(dataset, 'pipeline', None), 'transforms', None)
        if steps:
            names = [type(step).__name__ for step in steps]
            loads = [i for i, name in enumerate(names) if 'LoadAnnotations' in name]
            return any('Resize' in name for name in names[: max(loads, default=0)])
        inner = getattr(dataset, 'datasets', None)
        dataset = inner[0] if inner else getattr(dataset, 'dataset', None)
    return True


def _labelled(samples: list, in_file: bool) -> tuple[list, int]:
    """Samples with their objects in the frame of the input."""
    if not all('bboxes' in s.get('gt_instances', ()) for s in samples):
        return [], 0
    scaled = []
    for sample in samples:
        copy = DetDataSample(metainfo=sample.metainfo)
        for name in ('gt_instances', 'ignored_instances'):
            instances = sample.get(name)
            if instances is None or 'bboxes' not in instances:
                continue
            if in_file:
                factors = instances.bboxes.new_tensor(sample.scale_factor).repeat(2)
                boxes = instances.bboxes * factors
                instances = InstanceData(bboxes=boxes, labels=instances.labels)
            setattr(copy, name, instances)
        scaled.append(copy)
    return scaled, sum(len(sample.gt_instances) for sample in samples)
