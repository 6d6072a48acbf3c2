"""Look inside a model that is given an image: heat maps, maps, filters, fields.

    python tools/analysis_tools/look_inside.py \\
        work_dirs/lenet5-modern_1xb64-20e_digits/epoch_20.pth seven.png
    python tools/analysis_tools/look_inside.py CHECKPOINT IMAGE \\
        --what heat-map --class dog --method layercam

The checkpoint holds the config. A picture is written for each view:

    heat-map         where the image raises the score of a class or a detection
    attention        what the class token of a Vision Transformer attends to
    features         maps of each stage of the backbone
    filters          weights of the first convolution
    receptive-field  the pixels that a unit of each stage sees
    grid             YOLOv1's cells: confidences, classes, and which finds which box
    matches          SSD's default boxes that the detections come from
"""

import argparse


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Draw what goes on inside a model that is given an image.'
    )
    parser.add_argument('checkpoint', help='file that tools/train.py wrote')
    parser.add_argument('image', help='image file')
    parser.add_argument(
        '--what',
        nargs='+',
        metavar='VIEW',
        help='heat-map, attention, features, filters, receptive-field; of YOLOv1 grid, '
        'of SSD matches (default: all that the model can serve)',
    )
    parser.add_argument(
        '--out-dir',
        default='look',
        metavar='DIR',
        help='folder for the pictures, IMAGE_VIEW.png (default: look)',
    )
    parser.add_argument(
        '--method',
        help='of the heat map: gradcam, gradcam++, xgradcam, layercam, hirescam '
        'or eigencam (default: gradcam; of a detection hirescam, which '
        'keeps to its place)',
    )
    parser.add_argument(
        '--layer',
        metavar='NAME',
        help='module whose map the heat map explains, as backbone.layer3 '
        '(default: that of the last map of the backbone)',
    )
    parser.add_argument(
        '--class',
        dest='class_',
        metavar='NAME',
        help='class that the heat map explains, by name or number '
        '(default: the three likeliest)',
    )
    parser.add_argument(
        '--detection',
        type=int,
        metavar='N',
        help='detection that the heat map explains, from 0 (default: the three surest)',
    )
    parser.add_argument(
        '--block',
        type=int,
        default=-1,
        metavar='N',
        help='block whose attention is drawn, from 0 (default: -1, the last)',
    )
    parser.add_argument(
        '--config',
        help='run config, of weights that hold none, as published ones',
    )
    parser.add_argument(
        '--device', help='cpu, cuda, cuda:1, ...; a GPU where there is one by default'
    )
    return parser.parse_args()


def main() -> None:
    options = vars(parse_args())
    from projects.core.cli import run_tool

    run_tool('projects.core.insight.look_inside:look_inside', **options)


if __name__ == '__main__':
    main()
