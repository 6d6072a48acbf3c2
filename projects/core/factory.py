"""timm's habit on MMEngine's registries: build a variant by its name.

Nothing here imports torch until a model is built.
"""

from projects.core.errors import UserError, did_you_mean
from projects.core.values import FLAG, PATH, TEXT, checked, either, optional, whole
from projects.core.variants import config_root, list_models


@checked(
    name=TEXT,
    num_classes=optional(whole(1)),
    pretrained=either(FLAG, PATH),
    trainable_stages=optional(whole(0)),
    unpickle=FLAG,
)
def create_model(
    name: str,
    num_classes: int | None = None,
    pretrained: str | bool = False,
    trainable_stages: int | None = None,
    unpickle: bool = False,
    cfg_options: list[str] | None = None,
):
    """Build a variant.

    Args:
        name: One of :func:`list_models`.
        num_classes: Classes of its head; the variant's own by default.
        pretrained: Weights to load: a file, a folder of transformers, or a name such as
            ``torchvision://resnet50``, see
            :func:`projects.core.weights.read_weights`; True for torchvision's
            of the same name. Their head may differ in the number of classes
            and is then left out and named in the log.
        trainable_stages: What is trained: None all, n the last n stages and the
            head, 0 the final layer of a classifier, the head of a detector.
        unpickle: Read a file that runs code when it is read.
        cfg_options: Settings over those of the variant, as ``key.sub=value``.

    Returns:
        The model, initialised, in training mode.

    Raises:
        UserError: If there is no such variant (with close names), the file
            is of another model, the variant cannot be trained in part, or one of
            ``cfg_options`` is none.
    """
    if name not in list_models():
        raise UserError(
            f"no model '{name}'"
            + (
                did_you_mean(name, list_models(), 0.5)
                or f'; there are {", ".join(list_models())}'
            )
        )

    from mmengine.logging import print_log
    from mmengine.registry import DefaultScope

    from projects.core.config.explain import explained
    from projects.core.config.load import load_config
    from projects.core.config.walk import set_everywhere
    from projects.core.quiet import hushed
    from projects.core.tasks.task import task_of
    from projects.core.weights import build_for, load_weights, read_weights
    from projects.registry import MODELS

    cfg = load_config(config_root() / '_base_/models' / f'{name}.py', cfg_options)
    if num_classes is not None:
        set_everywhere(cfg.model, 'num_classes', num_classes)
    if trainable_stages is not None:
        task_of(cfg).train_in_part(cfg.model, trainable_stages)
    weights = None
    if pretrained:
        source = f'torchvision://{name}' if pretrained is True else pretrained
        weights = read_weights(source, unpickle=unpickle, mapped=True)['state_dict']
    model = None
    with explained(cfg), DefaultScope.overwrite_default_scope(cfg.default_scope):
        if weights is not None:
            model = build_for(weights, lambda: MODELS.build(cfg.model))
        is_new = model is None
        if is_new:
            model = MODELS.build(cfg.model)
    if is_new:
        with hushed():
            model.init_weights()
    if weights is not None:
        print_log(load_weights(model, weights, source, allow_new_head=True), 'current')
    return model
