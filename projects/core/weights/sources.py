"""Where published weights come from: a file, or a library by name."""

import json
import os.path as osp
from urllib.error import URLError

from torch import Tensor

from projects.core.errors import UserError, described, did_you_mean, listed
from projects.core.weights.reading import read_checkpoint

# as transformers names them; of a large model in parts, with a list of them
FILES = ('model.safetensors', 'pytorch_model.bin')


def read_weights(
    source: str, map_location='cpu', unpickle: bool = False, mapped: bool = False
) -> dict:
    """A checkpoint from a file or by name, its weights under 'state_dict'.

    Args:
        source: Path of a file, or of a folder as transformers writes one, also with
            its weights in several files; or ``torchvision://resnet50`` for
            torchvision's newest weights of a classifier,
            ``torchvision://resnet50.IMAGENET1K_V1`` for those of a name;
            or ``timm://resnet50.a1_in1k``, where timm is installed. Weights by
            name are kept in the libraries' caches, and fetched where they are
            not there.
        map_location: Device of the tensors.
        unpickle: See :func:`read_checkpoint`.
        mapped: See :func:`read_checkpoint`.

    Raises:
        UserError: If there is no such file or name, the file cannot be read,
            or the weights cannot be fetched.
    """
    scheme, separator, name = source.partition('://')
    if not separator:
        if osp.isdir(source):
            return dict(state_dict=_of_folder(source, map_location, unpickle, mapped))
        return read_checkpoint(source, map_location, unpickle, mapped)
    readers = dict(torchvision=_of_torchvision, timm=_of_timm)
    if scheme not in readers:
        raise UserError(
            f'{source}: weights come from a file or from '
            f'{" or ".join(f"{s}://" for s in readers)}, not from '
            f'{scheme}://'
        )
    return dict(state_dict=readers[scheme](name))


def _of_folder(folder: str, *options) -> dict[str, Tensor]:
    """The weights of a folder of transformers; ``options`` of the reader of a file."""
    for name in FILES:
        if osp.isfile(file := osp.join(folder, name)):
            return read_checkpoint(file, *options)['state_dict']
    for name in FILES:
        index = osp.join(folder, f'{name}.index.json')
        if not osp.isfile(index):
            continue
        try:
            with open(index, encoding='utf-8') as stream:
                places = json.load(stream)['weight_map']
            parts = sorted({osp.join(folder, osp.basename(p)) for p in places.values()})
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(
                f'{index} is no list of weights: {described(error)}'
            ) from error
        weights = {}
        for part in parts:
            weights |= read_checkpoint(part, *options)['state_dict']
        if missing := sorted(places.keys() - weights.keys()):
            raise UserError(
                f'{index} names weights that no file of it holds: {listed(missing)}'
            )
        return weights
    raise UserError(
        f'the folder {folder} holds neither {" nor ".join(FILES)}; give a file in it'
    )


def _of_torchvision(name: str) -> dict:
    from torchvision import models

    model, _, version = name.partition('.')
    names = models.list_models(module=models)
    if model not in names:
        raise UserError(
            f"torchvision has no classifier '{model}'" + did_you_mean(model, names)
        )
    enum = models.get_model_weights(model)
    if version and version not in enum.__members__:
        raise UserError(
            f"torchvision has no weights '{version}' of {model}, "
            f'but {listed(w.name for w in enum)}'
        )
    weights = enum[version] if version else enum.DEFAULT
    try:
        return weights.get_state_dict(progress=False, check_hash=True)
    except (URLError, OSError) as error:
        raise UserError(
            f'torchvision://{name} cannot be fetched: {error}; on a machine '
            f'with a network fetch {weights.url} and give the path of the '
            'file'
        ) from error


def _of_timm(name: str) -> dict:
    try:
        import timm
    except ImportError as error:
        raise UserError(
            f'timm://{name} needs the package timm: pip install timm'
        ) from error
    model = name.partition('.')[0]
    if not timm.is_model(model):
        raise UserError(
            f"timm has no model '{model}'" + did_you_mean(model, timm.list_models())
        )
    try:
        return timm.create_model(name, pretrained=True).state_dict()
    except Exception as error:  # of whichever hub it asks
        raise UserError(
            f'timm://{name} cannot be fetched: {type(error).__name__}: '
            f'{str(error).splitlines()[0]}; fetch the file on a machine with '
            'a network and give its path'
        ) from error
