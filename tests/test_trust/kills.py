"""Kill a run at random moments until it is through, again and again.

    python tests/test_trust/kills.py --kills 1000 --out work_dirs/kills

Each run must end with the losses, scores and weights, to the last bit, of one that
nobody disturbed. A try is forked from a process that has imported everything, so that
it costs what it trains. Half of the tries get SIGKILL, the others SIGTERM, after which
the run has to say by its status, 143, that it stopped.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import time
import traceback
from pathlib import Path

os.environ.setdefault('OMP_NUM_THREADS', '1')
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import mmengine.runner.runner
import torch
import yapf.yapflib.yapf_api

from projects.core.engine import train
from projects.core.engine.checkpoint_hook import newest_checkpoint
from projects.core.variants import config_root
from projects.core.weights import read_checkpoint

CONFIG = str(config_root() / 'lenet/lenet5-modern_1xb64-20e_digits.py')
OPTIONS = [
    'train_cfg.max_epochs=3',
    'default_hooks.logger.interval=1',
    'val_dataloader.num_workers=0',
]
# as they are loaded: in the process, by workers, by workers that stay
LOADERS = [
    ['train_dataloader.num_workers=0'],
    ['train_dataloader.num_workers=1', 'train_dataloader.persistent_workers=False'],
    ['train_dataloader.num_workers=1', 'train_dataloader.persistent_workers=True'],
]


def start(work_dir: Path, loader: list[str]) -> int:
    """Fork a process that begins the run or goes on with it; its id."""
    pid = os.fork()
    if pid:
        return pid
    screen = os.open(work_dir.with_suffix('.txt'), os.O_CREAT | os.O_APPEND | os.O_RDWR)
    os.dup2(screen, 1)
    os.dup2(screen, 2)
    status = 1
    try:
        train(
            CONFIG,
            str(work_dir),
            resume=newest_checkpoint(str(work_dir)) is not None,
            cfg_options=[*OPTIONS, *loader],
        )
        status = 0
    except SystemExit as error:
        status = error.code
    except BaseException:
        traceback.print_exc()
    os._exit(status)


def result(work_dir: Path) -> tuple[dict, dict]:
    """Losses and scores by step, the weights after the last epoch."""
    numbers = {}
    for file in sorted(work_dir.glob('*/vis_data/scalars.json')):
        for line in file.read_text().splitlines():
            try:
                row = json.loads(line)
            except json.JSONDecodeError:  # cut by a kill
                continue
            for key in ('loss', 'lr', 'accuracy/top1'):
                if key in row:
                    numbers[key, row['step']] = row[key]
    return numbers, read_checkpoint(str(work_dir / 'epoch_3.pth'))['state_dict']


def differences(work_dir: Path, whole: tuple[dict, dict]) -> list[str]:
    numbers, weights = result(work_dir)
    found = [str(k) for k in whole[0] if numbers.get(k) != whole[0][k]]
    found += [k for k in whole[1] if not torch.equal(weights[k], whole[1][k])]
    found += [p.name for p in work_dir.glob('*.partial')]
    if len(list(work_dir.glob('best_*.pth'))) != 1:
        found.append('best checkpoints')
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--kills', type=int, default=1000)
    parser.add_argument('--out', type=Path, required=True)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument(
        '--sigterm',
        type=float,
        default=0.5,
        metavar='SHARE',
        help='share of SIGTERM among the signals (default: 0.5)',
    )
    args = parser.parse_args()
    # half a second each: to format a config, to ask gcc for its version
    yapf.yapflib.yapf_api.FormatCode = lambda text, **kwargs: (text, True)
    mmengine.runner.runner.collect_env = dict
    args.out.mkdir(parents=True)
    rng = random.Random(args.seed)

    for name in ('warm_up', 'whole'):
        begin = time.monotonic()
        assert os.waitpid(start(args.out / name, LOADERS[0]), 0)[1] == 0
        seconds = time.monotonic() - begin
    whole = result(args.out / 'whole')
    print(f'undisturbed: {seconds:.1f} s, {len(whole[0])} numbers', flush=True)

    counts = dict(runs=0, kill=0, term=0, too_late=0)
    failures, slowest = [], 0.0
    while counts['kill'] + counts['term'] < args.kills:
        work_dir = args.out / f'run_{counts["runs"]}'
        loader = rng.choice(LOADERS)
        kills = rng.randint(5, 15)  # of this run; then it may finish
        for kill in range(kills + 1):
            pid, begin = start(work_dir, loader), time.monotonic()
            how = 'term' if rng.random() < args.sigterm else 'kill'
            if kill < kills:
                time.sleep(rng.uniform(0, 0.7 * seconds))
                os.kill(pid, signal.SIGKILL if how == 'kill' else signal.SIGTERM)
            status = os.waitpid(pid, 0)[1]
            slowest = max(slowest, time.monotonic() - begin)
            code = os.waitstatus_to_exitcode(status)
            # 143: after a step; -15: before the first
            if kill == kills or code == 0:
                counts['too_late'] += kill < kills
                if code != 0:
                    failures.append(f'{work_dir.name}: status {code}')
                break
            counts[how] += 1
            if code not in ((-9,) if how == 'kill' else (143, -15)):
                failures.append(f'{work_dir.name}: status {code} after {how}')
        found = differences(work_dir, whole)
        if found:
            failures.append(f'{work_dir.name} {loader}: {", ".join(found[:5])}')
        else:
            shutil.rmtree(work_dir)
            work_dir.with_suffix('.txt').unlink()
        counts['runs'] += 1
        print(counts, f'{len(failures)} failures', flush=True)
    print(f'{counts}; longest try {slowest:.1f} s')
    print('\n'.join(failures) or 'each run ended as the undisturbed one')
    sys.exit(bool(failures))


if __name__ == '__main__':
    main()
