"""The same training several times: with other seeds, or on other folds of its data.

Each member of the group is a training of its own in a process of its own, as
``tools/train.py CONFIG --seed S --work-dir WORK_DIR/seed_S`` is, one after the other.
What they come to is in ``WORK_DIR/group.json``, see
:mod:`projects.core.reports.group`.
"""

import hashlib
import json
import os
import os.path as osp
import shutil
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any

from mmengine.config import Config
from mmengine.logging import MMLogger

from projects.core.config import explained, load_config
from projects.core.config.saved import config_to_json
from projects.core.datasets.folds import Fold
from projects.core.engine.checkpoint_hook import newest_checkpoint
from projects.core.engine.training import RULES, set_up
from projects.core.errors import UserError, described
from projects.core.files import make_folder
from projects.core.member import Members
from projects.core.quiet import quiet_libraries
from projects.core.reports.group import FOLD, MEMBER, REPEAT, Group, read_group
from projects.core.reports.record import FILE as RECORD_FILE
from projects.core.reports.runs import GROUP_FILE
from projects.core.tasks.task import task_of
from projects.core.values import SEED, checked, whole

LOG = 'group.log'
OPTIONS = {REPEAT: '--repeat', FOLD: '--folds'}


def repeat(config: str, times: int, *args, **kwargs) -> Group:
    """Train as a config says with several seeds, and sum up the metrics.

    The members are in ``seed_S`` below the work dir. More ``times`` than before add
    seeds to a group that is resumed.

    Args:
        config: Config file.
        times: Number of seeds, at least 2.
        *args: Of :func:`train_group`.
        **kwargs: The same, by name; ``seed`` is the first one, the others follow it.
    """
    return train_group(REPEAT, times, config, *args, **kwargs)


def cross_validate(config: str, folds: int, *args, **kwargs) -> Group:
    """Train on all but one of several folds of the training data, for each of them.

    The members are in ``fold_0``, ... below the work dir.

    Args:
        config: Config file, whose own validation data are not used.
        folds: Number of folds, at least 2. Which sample is in which follows from the
            data, the number and the seed, whatever else the config says.
        *args: Of :func:`train_group`.
        **kwargs: The same, by name; ``seed`` is that of the folds and of all members.
    """
    return train_group(FOLD, folds, config, *args, **kwargs)


@checked(**RULES)
def train_group(
    kind: str,
    number: int,
    config: str,
    work_dir: str | None = None,
    resume: bool = False,
    amp: bool = False,
    seed: int | None = None,
    deterministic: bool = False,
    auto_scale_lr: bool = True,
    launcher: str = 'none',
    cfg_options: list[str] | None = None,
    patience: int | None = None,
    tensorboard: bool = False,
) -> Group:
    """Train the members of a group, and sum up the metrics.

    Args:
        kind: 'repeat' or 'fold'.
        number: Of members, at least 2.
        config: Config file.
        work_dir: Folder of the group; ``work_dirs/<config's name>`` by default, or
            what the config says.
        resume: Go on with the group of ``work_dir``: finished members are taken
            over, one that was cut goes on from its newest checkpoint.
        amp: See :func:`projects.core.engine.train`, as of all that follow.
        seed: The config's, or 0, by default.
        deterministic: Deterministic algorithms only.
        auto_scale_lr: Follow the total batch size.
        launcher: 'none' alone.
        cfg_options: Settings over the config's.
        patience: Of each member.
        tensorboard: Whether each writes its curves for TensorBoard.

    Raises:
        UserError: On a mistake in the arguments; if the data cannot be split; on one
            of a member, by which the group stops.
        SystemExit: With the status of a single training, if a signal stopped it.
    """
    options = dict(amp=amp, deterministic=deterministic, auto_scale_lr=auto_scale_lr)
    if patience is not None:  # a group of before had none
        options['patience'] = patience
    if tensorboard:
        options['tensorboard'] = True
    return _Repetition(kind, number, config, cfg_options, options).run(
        work_dir, resume, seed, launcher
    )


class _Repetition:
    """A group that is being trained.

    Args:
        kind: 'repeat' or 'fold'.
        number: Of members.
        config: Config file.
        cfg_options: Settings over the config's.
        options: Arguments of train that all members have.
    """

    def __init__(
        self,
        kind: str,
        number: int,
        config: str,
        cfg_options: list[str] | None,
        options: dict[str, Any],
    ) -> None:
        self.kind = kind
        self.option = OPTIONS[kind]
        if refusal := whole(2).refusal(number):
            raise UserError(f'{self.option}: {refusal}; a single run has no spread')
        self.number = int(number)
        self.config = config
        self.options = dict(config=config, cfg_options=cfg_options, **options)

    def run(
        self, work_dir: str | None, resume: bool, seed: int | None, launcher: str
    ) -> Group:
        """Train the members that are not finished; the group."""
        if launcher != 'none':
            raise UserError(
                f'{self.option} trains in one process, not by --launcher {launcher}; '
                'with several train each member by itself, as in tools/dist_train.sh '
                'CONFIG NUM --seed 1 --work-dir WORK_DIR/seed_1, and let '
                'tools/compare.py WORK_DIR sum them up'
            )
        if not isinstance(resume, bool):
            raise UserError(
                f'--resume {resume}: {self.option} goes on with a whole group; give '
                '--resume alone, and the folder of the group with --work-dir'
            )
        quiet_libraries()
        cfg = load_config(self.config, self.options['cfg_options'])
        with explained(cfg):
            group = self._group(cfg, work_dir, resume, seed)
        self.folder = cfg.work_dir
        is_new = not osp.isdir(self.folder)
        make_folder(self.folder)
        try:
            self._train(group)
        finally:
            if not any(osp.isdir(osp.join(self.folder, m)) for m in group.members):
                self._leave_nothing(is_new)
        return group

    def _group(
        self, cfg: Config, work_dir: str | None, resume: bool, seed: int | None
    ) -> Group:
        """What is to be trained, after a look at what is there."""
        if not cfg.get('val_dataloader') or not cfg.get('val_evaluator'):
            raise UserError(
                f'{self.option}: {self.config} validates nothing, so that there are no '
                'metrics to sum up; give it val_dataloader, val_evaluator and val_cfg'
            )
        common = dict(self.options, config=config_to_json(cfg), cfg_options=None)
        settings = hashlib.sha256(json.dumps(common).encode()).hexdigest()[:16]
        set_up(cfg, self.config, work_dir, 'none')
        old = read_group(cfg.work_dir)
        if seed is None and old is not None:
            seed = old.seeds[0]
        if seed is None:
            seed = (cfg.get('randomness') or {}).get('seed') or 0
        last = seed + self.number - 1 if self.kind == REPEAT else seed
        if refusal := SEED.refusal(last):
            raise UserError(f'--seed {seed}: the last of {self.number} is {refusal}')
        if self.kind == REPEAT:
            seeds = list(range(seed, seed + self.number))
            members = [f'seed_{s}' for s in seeds]
        else:
            seeds = [seed] * self.number
            members = [f'fold_{i}' for i in range(self.number)]
        group = Group(self.kind, self.config, members, seeds, settings)
        resume = resume or (
            old is not None and int(os.environ.get('SLURM_RESTART_COUNT') or 0) > 0
        )
        _refuse_what_is_there(cfg.work_dir, old, group, resume)
        if self.kind == FOLD:
            folds = task_of(cfg).hold_out(cfg, Fold(0, self.number, seed))
            group.folds = dict(
                sizes=folds.sizes, stratified=folds.stratified, checksum=folds.checksum
            )
            if old is not None and old.folds != group.folds:
                raise UserError(
                    f'--resume: the training data are others than when {cfg.work_dir} '
                    'was begun, so that its folds are, too; choose another folder with '
                    '--work-dir'
                )
        if old is not None:
            group = replace(group, finished=old.finished)
        return group

    def _train(self, group: Group) -> None:
        folder = self.folder
        done = {m for m in group.finished if osp.isdir(osp.join(folder, m))}
        group.take(folder, done)
        group.write(folder)
        logger = MMLogger.get_instance(
            f'group_{time.time()}',
            logger_name='mmengine',
            log_file=osp.join(folder, LOG),
            file_mode='a',
        )
        for line in self._first_lines(group):
            logger.info(line)
        processes = Members()
        with processes.signals():
            for i, member in enumerate(group.members):
                if member in done:
                    logger.info(f'{member} was finished before')
                    continue
                logger.info(f'{member}, {i + 1} of {self.number}')
                self._train_member(processes, group, i)
                done.add(member)
                group.take(folder, done)
                group.write(folder)
        for line in group.lines():
            logger.info(line)
        path = osp.relpath(folder)
        logger.info(f'all numbers: {osp.join(path, GROUP_FILE)}')
        self._leave_page(logger)
        logger.info(f'beside another group: tools/compare.py {path} OTHER')

    def _first_lines(self, group: Group) -> list[str]:
        if self.kind == REPEAT:
            seeds = ', '.join(map(str, group.seeds))
            return [f'{self.number} runs of {self.config}, with the seeds {seeds}']
        folds, sizes = group.folds, sorted({*group.folds['sizes']})
        each = ' or '.join(map(str, sizes))
        how = ', each with its share of each class' * folds['stratified']
        return [
            f'{self.number} runs of {self.config}, seed {group.seeds[0]}: each leaves '
            f'out a fold of {each} of the {sum(folds["sizes"])} samples to train on'
            f'{how}, and is validated on that',
            "the config's own validation data are not used",
        ]

    def _train_member(self, processes: Members, group: Group, i: int) -> None:
        name, seed = group.members[i], group.seeds[i]
        folder = osp.join(self.folder, name)
        options = dict(
            self.options,
            work_dir=folder,
            resume=newest_checkpoint(folder) is not None,
            seed=seed,
        )
        if self.kind == FOLD:
            options['fold'] = [i, self.number]
        place = dict(kind=self.kind, index=i, of=self.number)
        processes.run(name, options, {MEMBER: json.dumps(place)})

    def _leave_page(self, logger: MMLogger) -> None:
        from projects.core.reports.compare import FILE, compare

        try:
            page = compare([self.folder], osp.join(self.folder, FILE))
            logger.info(f'page: {osp.relpath(page)}')
        except Exception as error:  # hours of training hang on no page
            logger.warning(f'no page of the group: {described(error)}')

    def _leave_nothing(self, is_new: bool) -> None:
        """No member has begun: what is wrong was found before anything was written."""
        if is_new:
            shutil.rmtree(self.folder, ignore_errors=True)
            return
        for name in (GROUP_FILE, LOG):
            with suppress(OSError):
                os.unlink(osp.join(self.folder, name))


def _refuse_what_is_there(
    folder: str, old: Group | None, new: Group, resume: bool
) -> None:
    """Refuse a folder of another group, or of single runs."""
    elsewhere = 'choose another folder with --work-dir'
    option, number = OPTIONS[new.kind], len(new.members)
    if old is None:
        if resume:
            raise UserError(
                f'--resume: {folder} holds no group to go on with; leave --resume out '
                'to start one, or give its folder with --work-dir'
            )
        run = newest_checkpoint(folder)
        if run is None and osp.isfile(osp.join(folder, RECORD_FILE)):
            run = osp.join(folder, RECORD_FILE)
        if run is not None:
            raise UserError(
                f'{folder} holds {osp.basename(run)} of a single run, beside which '
                f'{option} writes no group: {elsewhere}'
            )
        for name in new.members:
            if osp.isdir(osp.join(folder, name)):
                raise UserError(
                    f'{osp.join(folder, name)} is there already, of no group: '
                    f'{elsewhere}'
                )
        return
    what = dict(repeat='seeds', fold='folds')[old.kind]
    there = f'{folder} holds a group of {len(old.members)} {what} of {old.config}'
    if old.kind != new.kind:
        raise UserError(f'{there}, not of {option}: {elsewhere}')
    if old.settings != new.settings:
        raise UserError(
            f'{there}; '
            + (
                'the config or the options have changed since'
                if old.config == new.config
                else f'this is {new.config}'
            )
            + f': {elsewhere}'
        )
    if old.seeds[0] != new.seeds[0]:
        raise UserError(
            f'--seed {new.seeds[0]}: {there}, whose first seed is {old.seeds[0]}; '
            f'leave --seed out to go on, or {elsewhere}'
        )
    if not resume:
        raise UserError(
            f'{there}: add --resume to go on with it, or --work-dir NEW to start '
            'afresh beside it'
        )
    if len(old.members) > number or (new.kind == FOLD and len(old.members) != number):
        raise UserError(
            f'{option} {number}: {there}; give {len(old.members)}'
            f'{" or more" * (new.kind == REPEAT)}, or {elsewhere}'
        )
