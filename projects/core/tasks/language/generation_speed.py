"""How long it takes to write a text, beside transformers' ``generate``.

Python API of ``tools/analysis_tools/generation_speed.py``.
"""

import json
import time

import numpy as np
import torch
from mmengine.logging import print_log

from projects.core.config.find import TRANSFORMERS
from projects.core.errors import UserError
from projects.core.factory import create_model
from projects.core.files import check_outputs, write_text
from projects.core.quiet import quiet_libraries
from projects.core.tasks.language.generation import generate
from projects.core.tasks.language.models import CausalLanguageModel
from projects.core.tasks.task import library_config
from projects.core.values import PATH, TEXT, checked, optional, whole
from projects.core.weights import load_weights
from projects.registry import MODELS

QUARTERS = 4


@checked(
    name=TEXT,
    num_tokens=whole(QUARTERS),
    repeats=whole(1),
    threads=optional(whole(1, 4096)),
    out=optional(PATH),
)
def compare_generation(
    name: str,
    num_tokens: int = 256,
    repeats: int = 3,
    threads: int | None = None,
    out: str | None = None,
) -> dict:
    """Write texts greedily, in turns with transformers' model of the same weights.

    Args:
        name: A variant that transformers has, such as 'gpt2_small'.
        num_tokens: Tokens of a text, after a prompt of eight.
        repeats: Texts of each side, after one to warm up.
        threads: Threads of torch; as they are by default.
        out: File for the result, JSON.

    Returns:
        dict: ``seconds`` of each text by side, ``ratio``, the median of transformers'
        time over ours by pairs, and ``ms_per_token``, ours by quarters of the text.

    Raises:
        UserError: If the variant is no language model or transformers has none of
            its name; if the two do not write the same.
    """
    quiet_libraries()
    if out is not None:
        check_outputs([out], '--out')
    reference = library_config(TRANSFORMERS + name)
    if reference is None or reference.model.type != 'projects.CausalLanguageModel':
        raise UserError(f'{name}: transformers has no language model of that name')
    if threads is not None:
        torch.set_num_threads(threads)
    torch.manual_seed(0)
    theirs = MODELS.build(reference.model).backbone.net.eval()
    ours = create_model(name).eval()
    if not isinstance(ours, CausalLanguageModel):
        raise UserError(f'{name} is no language model')
    load_weights(ours, theirs.state_dict(), f'{TRANSFORMERS}{name}')
    theirs.config.use_cache = True
    prompt = torch.randint(0, ours.backbone.vocab_size, (1, 8))
    stamps: list[float] = []
    ours.backbone.register_forward_hook(lambda *_: stamps.append(time.perf_counter()))

    def write_ours() -> list[int]:
        return generate(ours.backbone, prompt[0].tolist(), num_tokens, temperature=0)[0]

    def write_theirs() -> list[int]:
        with torch.no_grad():
            tokens = theirs.generate(
                prompt,
                attention_mask=torch.ones_like(prompt),
                do_sample=False,
                max_new_tokens=num_tokens,
                min_new_tokens=num_tokens,
                pad_token_id=0,
            )
        return tokens[0, prompt.shape[1] :].tolist()

    sides = dict(ours=write_ours, transformers=write_theirs)
    seconds: dict[str, list[float]] = {side: [] for side in sides}
    per_token = []
    for i in range(-1, repeats):
        written = {}
        for side in sides if i % 2 == 0 else reversed(sides):
            stamps.clear()
            start = time.perf_counter()
            written[side] = sides[side]()
            if i >= 0:
                seconds[side].append(time.perf_counter() - start)
                if side == 'ours':
                    per_token.append(np.diff(stamps))
        if written['ours'] != written['transformers']:
            raise UserError(f'{name}: the two write different texts')
    steps = np.median(per_token, axis=0) * 1000
    result = dict(
        name=name,
        num_tokens=num_tokens,
        threads=torch.get_num_threads(),
        torch=torch.__version__,
        seconds=seconds,
        ratio=float(np.median(np.divide(seconds['transformers'], seconds['ours']))),
        ms_per_token=[float(np.median(q)) for q in np.array_split(steps, QUARTERS)],
    )
    print_log(
        f'{name}: {num_tokens} tokens in {np.median(seconds["ours"]):.2f} s, '
        f'transformers {np.median(seconds["transformers"]):.2f} s: '
        f'{result["ratio"]:.2f} times as fast; ms a token in each quarter: '
        + ', '.join(f'{value:.1f}' for value in result['ms_per_token']),
        'current',
    )
    if out is not None:
        write_text(out, json.dumps(result, indent=1), '--out')
    return result
