"""Why the mAP of a results file is low: its faults, and the mAP without each.

Legend: D detections, I images, K classes; boxes are xywh in pixels of the image file.
"""

import json
import textwrap
from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from mmengine.logging import print_log
from terminaltables import AsciiTable

from projects.core.errors import UserError, listed
from projects.core.files import check_outputs, write_text
from projects.core.quiet import quiet_libraries
from projects.core.tasks.detection.coco_checks import check_coco
from projects.core.tasks.detection.coco_schema import CocoFile, read_coco
from projects.core.tasks.detection.error_kinds import KINDS, ErrorKind, error_kinds
from projects.core.tasks.detection.map_case import Case
from projects.core.tasks.detection.map_findings import Finding, findings
from projects.core.tasks.detection.map_search import ASSIGNED, Search, fixed
from projects.core.tasks.detection.matching import Detections, GroundTruths
from projects.core.tasks.detection.results_file import Results, read_results
from projects.core.tasks.detection.truth_checks import (
    Cause,
    check_truth,
    document_of,
    is_one,
    map_of,
)
from projects.core.tasks.detection.why_zero import Evaluated, why_zero
from projects.core.values import PATH, checked, optional

WIDTH = 68  # of a table's column, in characters
UNTRAINED = 0.01  # mAP below which a model is taken for it


class Step(NamedTuple):
    """A fault that was found: what it is, what to change, and the mAP by its fix.

    ``before`` has the fixes of the steps before, ``alone`` has none of them.
    """

    fault: str
    change: str
    before: float
    after: float
    alone: float


@dataclass
class Explanation:
    """What was found.

    Args:
        truth: mAP of the ground truth as its own detections.
        causes: Why that is not 1.
        now: mAP of the results.
        steps: Faults, in the order that they are fixed in.
        after: mAP after all fixes.
        findings: What else may lower it, after the fixes.
        errors: What it costs that is wrong then, of AP50.
        reason: Why it is 0 or -1 where no fault was found, else ''.
    """

    truth: float
    causes: list[Cause]
    now: float
    steps: list[Step] = field(default_factory=list)
    after: float = -1.0
    findings: list[Finding] = field(default_factory=list)
    errors: list[ErrorKind] = field(default_factory=list)
    reason: str = ''


@checked(results=PATH, annotations=PATH, out=optional(PATH))
def explain_map(results: str, annotations: str, out: str | None = None) -> Explanation:
    """Look for the faults of a results file, and log what was found.

    Args:
        results: Detections in COCO's results format, as ``tools/test.py --out`` and
            ``tools/infer.py`` write them.
        annotations: Ground truth in COCO format.
        out: JSON file for the detections after all fixes; None for none.

    Raises:
        UserError: If a file cannot be read or holds something else, the results are
            of other images, or ``out`` cannot be written.
    """
    quiet_libraries()
    if out is not None:
        if not out.endswith('.json'):
            raise UserError(f'--out {out}: name a file that ends in .json')
        check_outputs([out], '--out')
    found = read_results(results)
    file = read_coco(annotations, 'val')
    classes = file.categories['name']
    notices, _, _ = check_coco(annotations, classes, 'val', {})
    for notice in notices + found.notices:
        _log(notice)
    if not len(found):
        raise UserError(
            f'{results} holds no detection that counts: the model gives nothing above '
            'its score threshold (score_thr in model.test_cfg). It is untrained, its '
            'training has failed, or the threshold is too high'
        )
    case = _case(file)
    img_ids, cat_ids = file.images['id'], file.categories['id']
    search = Search(case, found, img_ids, file.images['file_name'], cat_ids, classes)
    document = document_of(file)
    explanation = Explanation(
        *check_truth(document),
        map_of(document, _as_coco(search.dets, img_ids, cat_ids)),
    )
    _log(_truth_lines(file, explanation))
    _log(_results_lines(found, search, explanation))
    fixes = search.run()
    _explain(explanation, search, fixes)
    dets = fixed(search.dets, fixes)
    if not (dets.image >= 0).any():
        raise UserError(
            f'{results} and {annotations} have no image in common: the results have '
            f'the image ids {listed(map(repr, found.image_ids), 3)}, the annotations '
            f'{listed(map(repr, img_ids), 3)}, and by no other reading do the boxes '
            'fit. Give the annotations of the images that were predicted'
        )
    explanation.findings = findings(case, dets, classes)
    explanation.errors = error_kinds(case.matching(dets), len(classes))
    if explanation.after <= 0:
        explanation.reason = why_zero(
            Evaluated(
                annotations,
                document,
                img_ids,
                cat_ids,
                classes,
                _as_coco(dets, img_ids, cat_ids),
                Counter(),
            ),
            lambda: case.ap50_of_any_class(dets),
        )
    _log(_verdict(explanation))
    if out is not None:
        write_text(out, json.dumps(_as_coco(dets, img_ids, cat_ids)), '--out')
        _log(f'detections after all fixes: {out}')
    return explanation


def _log(message: str) -> None:
    print_log(message, 'current')


def _case(file: CocoFile) -> Case:
    columns, images = file.annotations, file.images
    truths = GroundTruths(
        _places(columns['image_id'], images['id']),
        _places(columns['category_id'], file.categories['id']),
        columns['bbox'],
        columns['area'],
        np.array(columns['iscrowd'], bool),
    )
    return Case(
        truths[truths.label >= 0],
        np.stack([images['width'], images['height']], 1),
        len(file.categories['id']),
    )


def _places(values: list, ids: list) -> np.ndarray:
    place = {id_: i for i, id_ in enumerate(ids)}
    return np.array([place.get(value, -1) for value in values], np.int64)


def _as_coco(dets: Detections, img_ids: list, cat_ids: list) -> list[dict]:
    """In COCO's results format, those of known images and classes."""
    dets = dets[(dets.image >= 0) & (dets.label >= 0)]
    return [
        dict(image_id=img_ids[i], category_id=cat_ids[k], bbox=bbox, score=score)
        for i, k, bbox, score in zip(
            dets.image.tolist(),
            dets.label.tolist(),
            dets.bboxes.tolist(),
            dets.score.tolist(),
            strict=True,
        )
    ]


def _truth_lines(file: CocoFile, explanation: Explanation) -> str:
    crowds = int(np.sum(file.annotations['iscrowd']))
    lines = [
        f'{file.path}: {len(file.images["id"])} images, {len(file.annotations["id"])} '
        f'objects ({crowds} of them crowds), {len(file.categories["id"])} classes; as '
        f'its own detections it has mAP {explanation.truth:.3f}'
    ]
    if explanation.truth < 0:
        lines.append('  there is no ground truth that counts')
    lines += [f'  {cause.what}: mAP {cause.after:.3f}' for cause in explanation.causes]
    if (
        explanation.truth >= 0
        and not is_one(explanation.truth)
        and not explanation.causes
    ):
        lines.append('  why it is not 1 is not known: look for boxes that are alike')
    return '\n'.join(lines)


def _results_lines(found: Results, search: Search, explanation: Explanation) -> str:
    lines = [
        f'{found.path}: {len(found)} detections on {len(found.image_ids)} images, of '
        f'{len(found.class_ids)} category ids; mAP {explanation.now:.3f}'
    ]
    for what, ids, known in (
        ('image', found.image_ids, search.known_images),
        ('category', found.class_ids, search.known_classes),
    ):
        strange = [id_ for id_, place in zip(ids, known, strict=True) if place < 0]
        if strange:
            lines.append(
                f'  {len(strange)} {what} ids are not in the annotations, such as '
                f'{listed(map(repr, strange), 3)}: their detections do not count'
            )
    return '\n'.join(lines)


def _explain(explanation: Explanation, search: Search, fixes: list) -> None:
    """Fill in the steps, and the mAP after them."""
    case, dets = search.case, search.dets
    value = case.mean_ap(dets)
    if abs(value - explanation.now) > 1e-6:  # all else of the two is alike
        explanation.steps.append(
            Step(
                'an annotation of the ground truth has the id 0',
                'number the annotations from 1',
                explanation.now,
                value,
                value,
            )
        )
    for i, fix in enumerate(fixes):
        after = case.mean_ap(fixed(dets, fixes[: i + 1]))
        alone = after if i == 0 else case.mean_ap(fixed(dets, [fix]))
        explanation.steps.append(Step(fix.fault, fix.change, value, after, alone))
        value = after
    explanation.after = value


def _verdict(explanation: Explanation) -> str:
    """Table of the faults, and what to change, in one sentence."""
    after, lines = explanation.after, []
    if explanation.steps:
        rows = [['fault', 'mAP now', 'after its fix', 'by it alone']]
        for step in explanation.steps:
            values = (f'{v:.3f}' for v in (step.before, step.after, step.alone))
            rows.append([_wrapped(step.fault), *values])
        lines.append(AsciiTable(rows).table)
    else:
        lines.append('No fault was found in ids, boxes, classes or scores.')
    if explanation.findings:
        rows = [['what may lower it besides', 'at most']]
        rows += [[_wrapped(f.fault), f'{f.after:.3f}'] for f in explanation.findings]
        lines.append(AsciiTable(rows).table)
    costs = sorted(
        (e for e in explanation.errors if e.name in (*KINDS, 'missed') and e.cost),
        key=lambda e: -e.cost,
    )
    if costs:
        lines.append(
            f'At mAP {after:.3f}, of AP50 cost most: '
            + ', '.join(f'{e.name} {e.cost:.3f} ({e.count})' for e in costs[:3])
        )
    if explanation.reason:
        lines.append(f'The mAP is {after:.0f}: {explanation.reason}')
    changes = [step.change for step in explanation.steps]
    changes += [finding.change for finding in explanation.findings]
    if changes:
        lines.append(
            'To change: '
            + '; '.join(changes)
            + (
                f'. By the fixes the mAP goes from {explanation.now:.3f} to '
                f'{after:.3f}.'
                if explanation.steps
                else '.'
            )
        )
    elif not explanation.reason:
        lines.append(
            f'The mAP of {after:.3f} is what the model has earned: '
            + (
                'it looks untrained, or trained on other data, or the annotations are '
                'those of other images, or the images are in no order, which is found '
                f'out among {ASSIGNED} at most.'
                if after < UNTRAINED
                else f'to raise it, begin with the errors of kind {costs[0].name!r}.'
                if costs
                else 'there is nothing to raise.'
            )
        )
    return '\n'.join(lines)


def _wrapped(text: str) -> str:
    return '\n'.join(textwrap.wrap(text, WIDTH))
