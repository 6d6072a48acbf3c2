"""Dates in many languages: real multilingual text, of which the answer is exact.

The ways to write a date are those of the Unicode CLDR, which Babel carries. Babel
writes the Gregorian calendar and Western digits in every language.
"""

from calendar import monthrange
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache, lru_cache
from random import Random

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, get_date_format

from projects.core.errors import UserError, did_you_mean, listed
from projects.core.tasks.language.corpora import (
    SPLITS,
    Corpus,
    LabelledCorpus,
    PairCorpus,
    check_split,
)
from projects.core.values import whole
from projects.registry import TASK_UTILS

#: 20 languages in seven scripts
LOCALES = ('en', 'de', 'fr', 'es', 'it', 'pt', 'nl', 'sv', 'pl', 'cs', 'fi', 'hu')
LOCALES += ('tr', 'ru', 'el', 'ar', 'hi', 'ja', 'zh', 'ko')
#: CLDR's four lengths, and skeletons: the fields, which a language puts in its order
STYLES = ('full', 'long', 'medium', 'short', 'yMMMd', 'yMMMEd', 'yMd', 'yMEd')
#: of the days that are left, those of val taken first
SHARES = dict(val=0.1, test=0.1)
#: languages with a word for each month
NAMING = tuple(name for name in LOCALES if name not in ('ja', 'zh', 'ko'))
SEPARATOR = ' ; '


class DateTexts:
    """Dates of each split, and how languages write them.

    Two ways to write are left out, so that a text is that of one date alone: a year
    of two digits, and digits with the month before the day and the year at the end
    (2/1/2024), which most languages read the other way round.

    Args:
        locales: Languages, as CLDR names them ('de', 'en_GB').
        styles: Of ``STYLES``; those that a language does not have are left out.
        months_by_name: Only styles in which the month is a word.
        years: The first and the last one. Of their days 10 % are of the split val
            and of the rest 10 % of the split test; none of them is in that of
            training.
        seed: Of the dates of the splits and of all that is drawn.

    Raises:
        UserError: If a locale or style is unknown or none is left, the years are
            none from 1000 to 9999, or if two of the languages write two dates in
            the same way.
    """

    def __init__(
        self,
        locales: Sequence[str] = LOCALES,
        styles: Sequence[str] = STYLES,
        months_by_name: bool = False,
        years: tuple[int, int] = (1900, 2099),
        seed: int = 0,
    ) -> None:
        rule = whole(1000, 9999)
        if len(years) != 2 or not all(map(rule.fits, years)) or years[0] > years[1]:
            raise UserError(
                f'years: the first and the last one, from 1000 to 9999: {years!r}'
            )
        for style in styles:
            if style not in STYLES:
                raise UserError(
                    f'styles: {style!r} is none of {listed(STYLES, len(STYLES))}'
                )
        if not locales:
            raise UserError('locales: there is none')
        self.locales = tuple(locales)
        self.years = tuple(years)
        self.seed = seed
        self.patterns = {
            locale: patterns_of(locale, tuple(styles), months_by_name)
            for locale in self.locales
        }
        self._refuse_two_readings()

    def _refuse_two_readings(self) -> None:
        days = [date(2023, month, day) for month in range(1, 13) for day in (1, 2, 12)]
        for month in range(1, 12):  # and what it is with month and day exchanged
            days += [date(2023, month, month + 1), date(2023, month + 1, month)]
        found = {}
        for locale, patterns in self.patterns.items():
            for pattern in patterns:
                for day in days:
                    text = written(day, pattern, locale)
                    other, of = found.setdefault(text, (day, locale))
                    if other != day:
                        raise UserError(
                            f'locales: {text!r} is {other} in {of} and {day} in '
                            f'{locale}; leave one of the two out'
                        )

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and vars(other) == vars(self)

    def __hash__(self) -> int:
        return hash((type(self), self.locales, self.years, self.seed))

    @property
    def days(self) -> dict[str, list[date]]:
        """Dates of each split, in no order."""
        return days_of(self.years, self.seed)

    def draw(self, random: Random, day: date, locale: str | None = None) -> str:
        """A date as a language writes it in one of its styles."""
        locale = locale or random.choice(self.locales)
        return written(day, random.choice(self.patterns[locale]), locale)


@lru_cache(4)
def days_of(years: tuple[int, int], seed: int) -> dict[str, list[date]]:
    """The dates of each split, in no order."""
    first, last = date(years[0], 1, 1), date(years[1], 12, 31)
    numbers = list(range(first.toordinal(), last.toordinal() + 1))
    Random(f'{seed} days').shuffle(numbers)
    days = {}
    for split, share in SHARES.items():
        num = int(share * len(numbers))
        days[split], numbers = numbers[:num], numbers[num:]
    days['train'] = numbers
    return {split: [*map(date.fromordinal, days[split])] for split in SPLITS}


@cache
def _locale(name: str) -> Locale:
    try:
        return Locale.parse(name)
    except (UnknownLocaleError, ValueError, TypeError) as error:
        raise UserError(
            f'locales: Babel knows no {name!r}' + did_you_mean(str(name), LOCALES)
        ) from error


@cache
def patterns_of(
    locale: str, styles: tuple[str, ...] = STYLES, months_by_name: bool = False
) -> tuple[str, ...]:
    """CLDR's patterns of some styles that have one reading, each once.

    Raises:
        UserError: If there is none.
    """
    known = _locale(locale)
    found = []
    for style in styles:
        if style in ('full', 'long', 'medium', 'short'):
            pattern = get_date_format(style, known).pattern
        elif style in known.datetime_skeletons:
            pattern = known.datetime_skeletons[style].pattern
        else:
            continue
        is_named = 'MMM' in pattern or 'LLL' in pattern
        is_word = is_named and not known.months['format']['wide'][1][0].isdigit()
        month, day, year = (pattern.find(field) for field in 'Mdy')
        two_readings = 'yy' in pattern or (not is_named and month < day < year)
        if not two_readings and (is_word or not months_by_name):
            found.append(pattern)
    if not found:
        months = ' and the month as a word' if months_by_name else ''
        raise UserError(
            f'locales: {locale} has none of the styles {listed(styles, len(styles))} '
            f'with one reading{months}'
        )
    return tuple(dict.fromkeys(found))


def written(day: date, pattern: str, locale: str) -> str:
    """A date in a pattern of CLDR, in the words of a language."""
    return format_date(day, pattern, _locale(locale))


@lru_cache(16)  # a run builds the same corpus several times
def _drawn(corpus: DateTexts, split: str) -> list:
    """All that a corpus has of a split."""
    return corpus.draw_all(Random(f'{corpus.seed} {split}'), split)


def numbers_of(num: Mapping[str, int] | None, default: Mapping[str, int]) -> dict:
    """How many texts a split has: ``num``, and the default for other splits.

    Raises:
        UserError: If one is no number, or of no split.
    """
    num = {**default, **(num or {})}
    for split, value in num.items():
        check_split(split)
        if refusal := whole(1).refusal(value):
            raise UserError(f'num.{split}: {refusal}')
    return num


@TASK_UTILS.register_module()
class DatesCorpus(DateTexts, PairCorpus):
    """Dates, to be written in the form of ISO 8601 or in another language.

    =========  ==========================  ======================================
    target     source                      target
    =========  ==========================  ======================================
    'iso'      3 mars 2024                 2024-03-03
    'iso'      3 mars 2024 ; 5. Mai 1987   2024-03-03 1987-05-05
    'locale'   <de> 3 mars 2024            3. März 2024
    =========  ==========================  ======================================

    Between languages the target is CLDR's style 'long', and the source begins with
    the language of the target, which is none of those of the source.

    Args:
        target: 'iso' or 'locale'.
        dates_per_line: How many dates there are in a line, each in a language of
            its own; the least and the most of a tuple are drawn alike.
        num: Lines of each split; 100,000 to train on, 1,000 of the others by
            default.
        data_root: Folder for the tokenizer; nothing else is saved.
        **kwargs: Of :class:`DateTexts`.

    Raises:
        UserError: If an argument is out of its range; see also :class:`DateTexts`.
    """

    def __init__(
        self,
        target: str = 'iso',
        dates_per_line: int | tuple[int, int] = 1,
        num: Mapping[str, int] | None = None,
        data_root: str = 'data/dates',
        **kwargs,
    ) -> None:
        super().__init__(**kwargs)
        if target not in ('iso', 'locale'):
            raise UserError(f"target: 'iso' or 'locale', not {target!r}")
        is_number = isinstance(dates_per_line, int)
        limits = (dates_per_line,) * 2 if is_number else tuple(dates_per_line)
        fits = len(limits) == 2 and all(map(whole(1).fits, limits))
        if not fits or limits[0] > limits[1]:
            raise UserError(
                'dates_per_line: a number of at least 1, or the least and the most: '
                f'{dates_per_line!r}'
            )
        if target == 'locale' and len(self.locales) < limits[1] + 1:
            raise UserError(
                f'locales: {limits[1]} dates in a line need {limits[1] + 1} languages, '
                f'the last one to translate to; there are {len(self.locales)}'
            )
        self.target = target
        self.limits = limits
        self.num = numbers_of(num, dict(train=100_000, val=1_000, test=1_000))
        self.data_root = data_root
        kind = 'to ISO 8601' if target == 'iso' else 'between languages'
        self.description = f'dates in {len(self.locales)} languages {kind}'

    def pairs(self, split: str) -> list[tuple[str, str]]:
        return _drawn(self, check_split(split))

    def draw_all(self, random: Random, split: str) -> list[tuple[str, str]]:
        days = self.days[split]
        return [self._line(random, days) for _ in range(self.num[split])]

    def _line(self, random: Random, days: list[date]) -> tuple[str, str]:
        days = random.choices(days, k=random.randint(*self.limits))
        if self.target == 'iso':
            source = SEPARATOR.join(self.draw(random, day) for day in days)
            return source, ' '.join(day.isoformat() for day in days)
        to, *others = random.sample(self.locales, 1 + len(days))
        source = SEPARATOR.join(map(self.draw, [random] * len(days), days, others))
        pattern = get_date_format('long', _locale(to)).pattern
        return f'<{to}> {source}', SEPARATOR.join(written(d, pattern, to) for d in days)


@TASK_UTILS.register_module()
class MonthCorpus(DateTexts, LabelledCorpus):
    """Dates whose month is to be named: twelve classes.

    Args:
        locales: Languages to train on.
        held_out: Languages of the splits val and test; those to train on where None.
        num: Dates of each split; 400 to train on, 1,000 of the others by default.
        months_by_name: Only styles in which the month is a word.
        data_root: Folder for the tokenizer.
        **kwargs: Of :class:`DateTexts`.

    Raises:
        UserError: See :class:`DateTexts`.
    """

    classes = tuple(date(2000, m, 1).strftime('%B') for m in range(1, 13))

    def __init__(
        self,
        locales: Sequence[str] = NAMING,
        held_out: Sequence[str] | None = None,
        num: Mapping[str, int] | None = None,
        months_by_name: bool = True,
        data_root: str = 'data/dates',
        **kwargs,
    ) -> None:
        self.of_training = tuple(locales)
        self.held_out = tuple(self.of_training if held_out is None else held_out)
        together = tuple(dict.fromkeys(self.of_training + self.held_out))
        super().__init__(together, months_by_name=months_by_name, **kwargs)
        self.num = numbers_of(num, dict(train=400, val=1_000, test=1_000))
        self.data_root = data_root
        self.description = f'months of dates in {len(self.of_training)} languages'
        if held_out is not None:
            self.description += f', held out in {len(self.held_out)}'

    def labelled(self, split: str) -> list[tuple[str, int]]:
        return _drawn(self, check_split(split))

    def draw_all(self, random: Random, split: str) -> list[tuple[str, int]]:
        locales = self.of_training if split == 'train' else self.held_out
        days = random.choices(self.days[split], k=self.num[split])
        return [
            (self.draw(random, day, random.choice(locales)), day.month - 1)
            for day in days
        ]


@TASK_UTILS.register_module()
class DatePairsCorpus(DateTexts, Corpus):
    """Two dates in two languages, half of them the same day: to pre-train on.

    Args:
        locales: At least two languages.
        num: Pairs of each split; 100,000 to train on, 2,000 of the others by
            default.
        other_month: Share of the pairs of two days that differ in their month
            alone; the others are of any two days.
        months_by_name: Only styles in which the month is a word.
        data_root: Folder for the tokenizer.
        **kwargs: Of :class:`DateTexts`.

    Raises:
        UserError: If there are less than two languages or ``other_month`` is no
            share; see also :class:`DateTexts`.
    """

    def __init__(
        self,
        locales: Sequence[str] = NAMING,
        num: Mapping[str, int] | None = None,
        other_month: float = 0.5,
        months_by_name: bool = True,
        data_root: str = 'data/dates',
        **kwargs,
    ) -> None:
        super().__init__(locales, months_by_name=months_by_name, **kwargs)
        if len(self.locales) < 2:
            raise UserError('locales: a pair needs two languages')
        if not 0 <= other_month <= 1:
            raise UserError(f'other_month: a share from 0 to 1: {other_month}')
        self.other_month = other_month
        self.num = numbers_of(num, dict(train=100_000, val=2_000, test=2_000))
        self.data_root = data_root
        self.description = f'pairs of dates in {len(self.locales)} languages'

    def triples(self, split: str) -> list[tuple[str, str, bool]]:
        """Two texts, and whether they are of the same day."""
        return _drawn(self, check_split(split))

    def draw_all(self, random: Random, split: str) -> list[tuple[str, str, bool]]:
        days, known = self.days[split], set(self.days[split])
        triples = []
        for _ in range(self.num[split]):
            day = random.choice(days)
            is_same = random.random() < 0.5
            other = day if is_same else self._another(random, day, days, known)
            first, second = random.sample(self.locales, 2)
            texts = self.draw(random, day, first), self.draw(random, other, second)
            triples.append((*texts, is_same))
        return triples

    def _another(
        self, random: Random, day: date, days: list[date], known: set[date]
    ) -> date:
        if random.random() < self.other_month:
            others = [
                other
                for month in range(1, 13)
                if month != day.month
                and day.day <= monthrange(day.year, month)[1]
                and (other := day.replace(month=month)) in known
            ]
            if others:
                return random.choice(others)
        while (other := random.choice(days)) == day:
            pass
        return other

    def content(self, split: str) -> list:
        return self.triples(split)

    def training_texts(self) -> list[str]:
        return [text for pair in self.triples('train') for text in pair[:2]]
