"""What the replay of a step came to, in words."""

from dataclasses import dataclass, field

from torch import Tensor, nn

from projects.core.diagnosis.nonfinite import Origin, tensors_in
from projects.core.errors import listed

TOO_LARGE = 1e4  # a weight of which the steps before were too large
# what mostly helps, by a part of the operation's name
ADVICE = {
    'softmax': 'a row of which all is masked: keep one entry of it',
    'log': 'a log of 0: clamp its input, or take log_softmax or logsigmoid',
    'sqrt': 'the derivative of a root at 0 is infinite: add a small number under it',
    'norm': 'a norm of 0 has no derivative: add a small number, or clamp it',
    'pow': 'a power has no finite value or derivative there: clamp its base',
    'div': 'a division by 0: add a small number to the divisor, or clamp it',
    'exp': 'the exponential overflows: clamp its input, or subtract the maximum',
    'acos': 'its derivative at -1 and 1 is infinite: clamp its input',
}


@dataclass
class Finding:
    """What a replay came to.

    Args:
        kind: 'forward', 'backward', 'weights', 'batch', 'unseen' or 'finite'.
        module: Dotted name of the module, '' for the model itself; None where no
            module is known.
        module_class: Its class.
        origin: What brought the first number; None where nothing did.
        parameters: Names of those that, or the gradients of which, are not finite.
        lines: The report.
        last_step: What a replay of the step before came to, where weights were not
            finite before.
    """

    kind: str
    module: str | None = None
    module_class: str | None = None
    origin: Origin | None = None
    parameters: list[str] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    last_step: 'Finding | None' = None

    @property
    def direction(self) -> str:
        """'forward' or 'backward'."""
        return 'backward' if self.kind == 'backward' else 'forward'


def tell(finding: Finding, model: nn.Module, saved: dict) -> None:
    """Say where an origin is: fills in ``lines``, ``module`` and ``module_class``.

    Args:
        finding: With an origin.
        model: In which it is.
        saved: The step as it was kept.
    """
    origin = finding.origin
    advice = None
    if origin.kind == 'batch':
        names = _data_of(origin, saved)
        line = f'the batch itself is not finite: {origin.name}'
        line += f', of {names}' if names else ''
        advice = 'look at these data, and at what the data preprocessor divides by'
    elif origin.kind == 'weight':
        finding.kind = 'weights'
        finding.module = origin.name.rpartition('.')[0]
        line = (
            f'the first number that is not finite is in {origin.name}, of '
            f'{_named(model, finding.module)}, and was there before the step'
        )
        finding.module_class = type(model.get_submodule(finding.module)).__name__
    elif origin.place is None:
        line = (
            f'in the {finding.direction} pass, the first number that is not finite '
            f'comes from {origin.name}, such as a calculation of Python or of NumPy'
        )
    else:
        place = origin.place
        finding.module = place.module
        finding.module_class = type(model.get_submodule(place.module)).__name__
        line = (
            f'in the {finding.direction} pass, the first number that is not finite '
            f'arises in {_named(model, place.module)}: {origin.name}, {place.shown()}'
        )
        advice = _advice(finding, model)
    rows = [f'  {name}: {row}' for name, row in origin.statistics.items()]
    finding.lines = [line, *rows]
    if origin.turned is not None:
        name, place = origin.turned
        finding.lines.append(
            f'it becomes NaN in {name} of {_named(model, place.module)}, '
            f'{place.shown()}'
        )
    if finding.kind == 'backward':
        finding.lines.append(
            f'the gradient of {finding.parameters[0]} is the first of '
            f'{len(finding.parameters)} that are not finite'
        )
    if advice:
        finding.lines.append(f'what mostly helps: {advice}')


def _advice(finding: Finding, model: nn.Module) -> str | None:
    origin = finding.origin
    is_half = any(
        row.dtype == 'float16' and row.inf + row.nan
        for row in origin.statistics.values()
    )
    if is_half and finding.direction == 'forward':
        return 'float16 ends at 65,504: train in bfloat16, or compute this in float32'
    largest = {
        name: p.detach().abs().max().item()
        for name, p in model.named_parameters()
        if p.numel()
    }
    name = max(largest, key=largest.get)
    if largest[name] > TOO_LARGE:
        return (
            f'{name} has grown to {largest[name]:.3g}: lower the learning rate, warm '
            'it up, or clip the gradients'
        )
    operation = origin.name.lower()
    return next((text for word, text in ADVICE.items() if word in operation), None)


def _named(model: nn.Module, name: str) -> str:
    cls = type(model.get_submodule(name)).__name__
    return f'{name} ({cls})' if name else f'the model itself ({cls})'


def _data_of(origin: Origin, saved: dict) -> str:
    """Names of the data in a tensor of the batch that is not finite."""
    found = dict(tensors_in(saved['inputs'])).get(origin.name)
    names = saved['names']
    if not isinstance(found, Tensor) or found.dim() < 2 or len(found) != len(names):
        return ''
    finite = found.flatten(1).isfinite().all(1).tolist()
    return listed(n for n, ok in zip(names, finite, strict=True) if not ok)
