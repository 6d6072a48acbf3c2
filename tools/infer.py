"""Apply a checkpoint: detect, classify, translate, complete, fill in, make samples.

    python tools/infer.py CHECKPOINT IMAGE_OR_FOLDER
    python tools/infer.py CHECKPOINT "A text" --temperature 0.8
    python tools/infer.py CHECKPOINT --num 100 --class 7

The checkpoint holds the config, and of a model of texts the tokenizer.
"""

import argparse


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Draw detections or classes on images, and write them as JSON; '
        'translate or complete a text, name its class, fill in its mask; make samples, '
        'translate images.'
    )
    parser.add_argument('checkpoint', help='file that tools/train.py wrote')
    parser.add_argument(
        'inputs',
        nargs='?',
        help='an image or a folder of images; a text, or a file of texts: one a line, '
        'or, for a model that completes, a text as a whole; of a generator nothing',
    )
    parser.add_argument(
        '--out-dir',
        metavar='DIR',
        help='pictures and '
        'detections.json or, of a classifier, '
        'predictions.json (default: detections/NAME, '
        'predictions/NAME); of texts answers.json (default: nothing is written); '
        'samples (default: samples/NAME)',
    )
    parser.add_argument(
        '--score-thr',
        type=float,
        default=0.3,
        help='least score of a detection that is drawn '
        '(default: 0.3); a classifier shows its five best '
        'classes',
    )
    parser.add_argument(
        '--batch-size', type=int, default=8, help='inputs at once (default: 8)'
    )
    parser.add_argument(
        '--device', help='cpu, cuda, cuda:1, ...; a GPU where there is one by default'
    )
    text = parser.add_argument_group('models that write texts')
    text.add_argument(
        '--temperature', type=float, help='0 for the likeliest token (default: 1)'
    )
    text.add_argument(
        '--top-k', type=int, metavar='K', help='draw from the K likeliest tokens'
    )
    text.add_argument(
        '--top-p',
        type=float,
        metavar='P',
        help='draw from the likeliest tokens that have the probability P together',
    )
    text.add_argument(
        '--num-samples', type=int, metavar='N', help='continuations (default: 1)'
    )
    text.add_argument(
        '--max-new-tokens', type=int, metavar='N', help='most tokens (default: 200)'
    )
    text.add_argument(
        '--beam-size', type=int, metavar='K', help='translations followed at a time'
    )
    samples = parser.add_argument_group('models that make samples')
    samples.add_argument(
        '--num', type=int, metavar='N', help='samples (default: 64, of a walk 16)'
    )
    samples.add_argument(
        '--class',
        dest='class_',
        metavar='C',
        help='of all samples, by name or number (default: each in turn)',
    )
    samples.add_argument(
        '--interpolate',
        action='store_true',
        help='a walk from one sample to another, as a strip and a film',
    )
    samples.add_argument(
        '--direction', help='AtoB or BtoA, of a translator of images (default: AtoB)'
    )
    parser.add_argument('--seed', type=int, help='of what is drawn (default: 0)')
    return parser.parse_args()


def main() -> None:
    options = vars(parse_args())
    from projects.core.cli import run_tool

    run_tool('projects.core.engine:infer', **options)


if __name__ == '__main__':
    main()
