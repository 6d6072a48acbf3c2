"""Convert boxes of other layouts to a COCO file.

    python tools/dataset_tools/to_coco.py data/VOC2007 --out data/voc_train.json \\
        --names data/VOC2007/ImageSets/Main/train.txt

Reads XML of VOC, text files of YOLO (boxes and outlines), JSON of LabelMe, and CSV with
a header, and sees by what is there which it is. The images stay where they are.
"""

import argparse


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Convert boxes in VOC, YOLO, LabelMe or CSV layout to COCO.'
    )
    parser.add_argument('source', help='folder of the annotations, or a CSV file')
    parser.add_argument(
        '--out', required=True, metavar='FILE', help='COCO file to write, .json'
    )
    parser.add_argument(
        '--format',
        choices=('voc', 'yolo', 'labelme', 'csv'),
        help='layout (default: by what is there)',
    )
    parser.add_argument(
        '--images',
        metavar='FOLDER',
        help='folder of the images (default: where the layout has them)',
    )
    parser.add_argument(
        '--classes',
        nargs='+',
        metavar='NAME',
        help='classes in the order of their ids, others are left out (default: all)',
    )
    parser.add_argument(
        '--split', metavar='NAME', help="entry of YOLO's data.yaml, such as train"
    )
    parser.add_argument(
        '--names',
        metavar='FILE',
        help='list of the images that are wanted, one a line (default: all)',
    )
    return parser.parse_args()


def main() -> None:
    options = vars(parse_args())
    from projects.core.cli import run_tool

    run_tool('projects.core.tasks.detection.to_coco:to_coco', **options)


if __name__ == '__main__':
    main()
