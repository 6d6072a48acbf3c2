"""Look over data before they are trained on: the data doctor.

    python tools/dataset_tools/check_data.py configs/ssd/ssd300_4xb8-108e_coco.py
    python tools/dataset_tools/check_data.py annotations/train.json images/
    python tools/dataset_tools/check_data.py pictures/

For detectors (COCO, VOC) and image classifiers (folders of classes, lists, MNIST, CIFAR,
...). A folder holds class folders, maybe below train and val; or annotations/train.json
and train/, as COCO's; or ImageSets, Annotations and JPEGImages, as VOC's.

Finds what a run would refuse or notice at its start; images that are there twice, in
training and validation too, unreadable, mis-sized or turned; boxes that are there twice
or cover the whole image; classes without samples; objects that the model's default boxes
or cells cannot serve. Errors spoil results or end a run, and the status is 1; warnings
are to be looked at, and the status is 0, but with --strict.
"""

import argparse


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        'source',
        help='run config; or COCO file, list of VOC images, folder of class folders',
    )
    parser.add_argument(
        'images', nargs='?', help="folder of a COCO file's images, if not beside it"
    )
    parser.add_argument(
        '--sheet',
        default='suspects.png',
        metavar='FILE',
        help='picture to write, of suspects, if any (default: suspects.png)',
    )
    parser.add_argument(
        '--json',
        dest='json_file',
        metavar='FILE',
        help='file for all findings, with the names of all images and boxes',
    )
    parser.add_argument(
        '--no-images',
        dest='read_images',
        action='store_false',
        help='look at the annotations alone, which takes seconds',
    )
    parser.add_argument(
        '--strict', action='store_true', help='status 1 for warnings, too'
    )
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        metavar='KEY=VALUE',
        help='settings over those of a config',
    )
    return parser.parse_args()


def main() -> None:
    options = vars(parse_args())
    from projects.core.cli import run_tool

    run_tool('projects.core.diagnosis.check_data:run', **options)


if __name__ == '__main__':
    main()
