"""Which class a category id of a results file stands for, by what it finds.

Legend: D detections, V category ids in the results, K classes of the ground truth. A
map is an array that gives for each id the label of a class, -1 for none.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.stats import hypergeom

from projects.core.errors import listed
from projects.core.tasks.detection.id_maps import IdMap
from projects.core.tasks.detection.map_case import Case
from projects.core.tasks.detection.matching import Detections, Matching

LEAST_LIFT = 0.3  # of a class that is taken for another
DEALS = 100  # of classes by chance


@dataclass
class Confusion:
    """Ground truths by their class and the category id of what finds them.

    Args:
        counts: (V, K), of detections that find a ground truth regardless of class.
    """

    counts: np.ndarray

    @classmethod
    def of(cls, case: Case, dets: Detections, code: np.ndarray, num: int):
        """From detections whose category ids are ``code``, (D, ) in [0, V)."""
        known = dets.image >= 0
        # as labels, that each id has its own 100 detections of an image
        coded = Detections(dets.image, code, dets.bboxes, dets.score)[known]
        matching = Matching(coded, case.truths)
        match = matching.match(by_class=False)
        counts = np.zeros((num, case.num_classes), np.int64)
        found = match.hit
        np.add.at(
            counts,
            (
                matching.detections.label[found],
                case.truths.label[match.gt[found]],
            ),
            1,
        )
        return cls(counts)

    def lift(self) -> np.ndarray:
        """(V, K): by how much the id is more frequent on objects of the class than on
        those of others; 0 for what has nothing to do with each other."""
        of_class = self.counts.sum(0)  # (K, )
        share = self.counts / np.maximum(of_class, 1)
        others = self.counts.sum(1, keepdims=True) - self.counts
        other_share = others / np.maximum(of_class.sum() - of_class, 1)
        return share - other_share

    def agreement(self, map_: np.ndarray) -> float:
        """Share of what is found whose class is the map's."""
        rows = np.flatnonzero(map_ >= 0)
        return self.counts[rows, map_[rows]].sum() / max(self.counts.sum(), 1)

    def assignment(self, known: np.ndarray) -> np.ndarray:
        """The map that agrees best, one class each, as far as there is evidence.

        Args:
            known: The map of the ids as they are, kept without evidence.
        """
        lift = self.lift()
        # what is known wins where both are equal
        value = self.counts.astype(float)
        rows = np.flatnonzero(known >= 0)
        value[rows, known[rows]] += 1e-3
        codes, labels = linear_sum_assignment(-value)
        best = known.copy()
        for code, label in zip(codes, labels, strict=True):
            before = lift[code, known[code]] if known[code] >= 0 else 0.0
            if (
                self.counts[code, label] >= 2
                and lift[code, label] >= LEAST_LIFT
                and lift[code, label] > before
                and self._is_no_chance(code, label, known[code])
            ):
                best[code] = label
        for code in np.flatnonzero(best != known):  # two ids of one class are none
            twin = np.flatnonzero((best == known) & (known == best[code]))
            if (
                2 * self.counts[twin, best[code]] > self.counts[code, best[code]]
            ).any():
                best[code] = known[code]
        changed = np.flatnonzero(best != known)
        if not len(changed) or not self._beats_chance(self.counts):
            return known
        columns = np.union1d(best[changed], known[changed][known[changed] >= 0])
        part = self.counts[np.ix_(changed, columns)]
        # of one id alone there is nothing to exchange
        return best if len(changed) == 1 or self._beats_chance(part) else known

    def _is_no_chance(self, code: int, label: int, known: int) -> bool:
        """Whether such a count is improbable if ids had nothing to do with classes."""
        counts, of_class = self.counts, self.counts[:, label].sum()
        if of_class == counts.sum():  # there is one class: no other can be meant
            return known < 0
        chance = hypergeom.sf(
            counts[code, label] - 1, counts.sum(), counts[code].sum(), of_class
        )
        return chance < 0.05

    @staticmethod
    def _beats_chance(counts: np.ndarray) -> bool:
        """Whether the best assignment agrees in more than nearly all of those with
        the classes dealt out anew, each as often."""

        def agreement(table: np.ndarray) -> int:
            rows, columns = linear_sum_assignment(-table)
            return table[rows, columns].sum()

        if counts.shape[1] == 1:  # one class: there is nothing to deal out
            return True
        code, label = (
            np.repeat(index.ravel(), counts.ravel())
            for index in np.indices(counts.shape)
        )
        rng = np.random.default_rng(0)
        num_columns = counts.shape[1]
        dealt = [
            agreement(
                np.bincount(
                    code * num_columns + rng.permutation(label), minlength=counts.size
                ).reshape(counts.shape)
            )
            for _ in range(DEALS)
        ]
        return agreement(counts) > max(dealt)

    def choose(
        self, ids: list, names: list[str], known: np.ndarray, maps: list[IdMap]
    ) -> IdMap | None:
        """The simplest map that explains the counts; None for the ids as they are.

        Args:
            ids: V, of the results.
            names: K names of classes.
            known: The map of the ids as they are.
            maps: Others that have a name.
        """
        best = self.assignment(known)
        changed = np.flatnonzero(best != known)
        if not len(changed):
            return None
        for one in maps:  # those with evidence must agree, others may change, too
            if (one.map[changed] == best[changed]).mean() > 0.8 and (
                self.agreement(one.map) >= self.agreement(best) - 0.02
            ):
                return one
        pairs = listed(
            f'id {ids[code]!r} is {names[best[code]]}'
            for code in changed[np.argsort(known[changed])]
        )
        return IdMap(
            f'the classes are permuted: {pairs}',
            'give each label the id of its category: compare the order of the classes '
            'in training with that of the categories in the annotation file',
            best,
        )
