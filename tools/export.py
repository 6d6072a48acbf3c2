"""Write a trained model for other programs: ONNX, or a program of torch.export.

    python tools/export.py work_dirs/NAME/epoch_20.pth --image photo.png

The file is run by onnxruntime before it appears: its outputs are those of the model,
or there is none. The preprocessing is part of it. To run it, onnxruntime and an image
library are enough:

    import json
    import numpy as np
    import onnxruntime
    from PIL import Image

    session = onnxruntime.InferenceSession('epoch_20.onnx')
    facts = session.get_modelmeta().custom_metadata_map
    height, width = json.loads(facts['input_size'])
    mode = 'RGB' if facts['channel_order'] == 'RGB' else 'L'
    image = Image.open('photo.png').convert(mode).resize((width, height))
    array = np.asarray(image).reshape(height, width, -1).transpose(2, 0, 1)[None]
    outputs = session.run(None, {'images': array})
    for out, value in zip(session.get_outputs(), outputs):
        print(out.name, value[0])
"""

import argparse


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('checkpoint', help='checkpoint of tools/train.py')
    parser.add_argument(
        '--format',
        default='onnx',
        choices=['onnx', 'torch'],
        help='torch: a .pt2 file of torch.export (default: onnx)',
    )
    parser.add_argument(
        '--raw',
        action='store_true',
        help='boxes and scores of a detector before NMS (default: detections)',
    )
    parser.add_argument(
        '--dynamic',
        default='batch',
        choices=['none', 'batch', 'size'],
        help='what is left open: the number of images, or their height and width '
        'besides, where the architecture bears that (default: batch)',
    )
    parser.add_argument(
        '--input-size',
        type=int,
        nargs=2,
        metavar=('HEIGHT', 'WIDTH'),
        help='of images (default: as the test pipeline makes them)',
    )
    parser.add_argument(
        '--image',
        metavar='PATH',
        help='an image or a folder of images, to compare outputs on these as well',
    )
    parser.add_argument(
        '--out', metavar='FILE', help='(default: beside the checkpoint)'
    )
    parser.add_argument(
        '--tolerance',
        type=float,
        default=1e-4,
        metavar='T',
        help='greatest difference of an output, as a share of its greatest value where '
        'that is above 1 (default: 1e-4)',
    )
    return parser.parse_args()


def main() -> None:
    options = vars(parse_args())
    from projects.core.cli import run_tool

    run_tool('projects.core.export.exporting:export', **options)


if __name__ == '__main__':
    main()
