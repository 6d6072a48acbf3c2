"""dates: what is written, that each text has one reading, and the splits."""

from collections import defaultdict
from datetime import date, timedelta

import pytest

from projects.core.errors import UserError
from projects.core.tasks.language.dates import (
    LOCALES,
    DatePairsCorpus,
    DatesCorpus,
    DateTexts,
    MonthCorpus,
    written,
)

FEW = dict(num=dict(train=300, val=50, test=50))


def dates_of(corpus, split):
    return {day for _, target in corpus.pairs(split) for day in target.split()}


def test_what_is_written():
    corpus = DatesCorpus(locales=['en', 'de', 'ja', 'sv'])
    day = date(2024, 2, 3)
    texts = {
        locale: [written(day, pattern, locale) for pattern in patterns]
        for locale, patterns in corpus.patterns.items()
    }
    # by CLDR; 2/3/24, 2/3/2024 and 03.02.24 have two readings
    assert texts['en'] == [
        'Saturday, February 3, 2024',
        'February 3, 2024',
        'Feb 3, 2024',
        'Sat, Feb 3, 2024',
    ]
    assert '03.02.2024' in texts['de']
    assert '03.02.24' not in texts['de']
    assert '2024年2月3日土曜日' in texts['ja']
    assert '2024-02-03' in texts['sv']


@pytest.mark.parametrize('kwargs', [{}, dict(dates_per_line=(1, 2))])
@pytest.mark.parametrize('target', ['iso', 'locale'])
def test_no_source_has_two_targets(target, kwargs):
    # few years: the same day comes often
    num = dict(train=49_000, val=500, test=500)  # 200,000 lines in all four
    corpus = DatesCorpus(target, years=(1999, 2001), num=num, **kwargs)
    targets = defaultdict(set)
    for split in num:
        for source, reference in corpus.pairs(split):
            targets[source].add(reference)
    assert all(len(found) == 1 for found in targets.values())


def test_no_text_of_a_year_has_two_readings():
    corpus = DatesCorpus()
    days = defaultdict(set)
    for i in range(366):
        day = date(2024, 1, 1) + timedelta(i)
        for locale, patterns in corpus.patterns.items():
            for pattern in patterns:
                days[written(day, pattern, locale)].add(day)
    assert len(days) > 30_000
    assert all(len(found) == 1 for found in days.values())


def test_targets():
    pairs = DatesCorpus(dates_per_line=3, **FEW).pairs('train')
    for source, target in pairs:
        assert len(source.split(' ; ')) == 3
        assert [date.fromisoformat(d).year // 200 for d in target.split()]
        assert len(target) == 3 * 10 + 2
    corpus = DatesCorpus(
        'locale', locales=['en', 'de', 'fr'], years=(2000, 2002), **FEW
    )
    for source, target in corpus.pairs('val'):
        tag, text = source.split(' ', 1)
        assert tag in ('<en>', '<de>', '<fr>')
        first = corpus.patterns[tag[1:-1]][1]  # the style 'long'
        day = next(
            d for d in corpus.days['val'] if written(d, first, tag[1:-1]) == target
        )
        others = {
            written(day, pattern, locale)
            for locale, patterns in corpus.patterns.items()
            if locale != tag[1:-1]
            for pattern in patterns
        }
        assert text in others


def test_numbers_of_dates_in_a_line():
    pairs = DatesCorpus(dates_per_line=(1, 3), **FEW).pairs('train')
    numbers = [len(target.split()) for _, target in pairs]
    assert [numbers.count(num) > 70 for num in (1, 2, 3)] == [True] * 3


def test_splits_share_no_date():
    corpus = DatesCorpus(years=(2000, 2003), num=dict(train=5_000))
    train, val, test = (dates_of(corpus, split) for split in ('train', 'val', 'test'))
    assert not train & val
    assert not train & test
    assert not val & test
    # a tenth of 1,461 days, and a tenth of the others
    assert len(corpus.days['val']) == 146
    assert len(corpus.days['test']) == 131
    # nor do those of the other corpora
    pairs = DatePairsCorpus(years=(2000, 2003))
    assert pairs.days == corpus.days


def test_a_seed_says_all():
    first, again, other = (
        DatesCorpus(seed=seed, **FEW).pairs('train') for seed in (0, 0, 1)
    )
    assert first == again
    assert first != other
    # of Python's own generator: the same on every machine
    assert DatesCorpus(**FEW).pairs('val')[0] == ('pá 13. 2. 2071', '2071-02-13')


def test_months():
    corpus = MonthCorpus(['en'], ['fr'], **FEW)
    assert corpus.classes[0] == 'January'
    assert len(corpus.classes) == 12
    names = 'janvier février mars avril mai juin juillet août septembre octobre'
    names = [*names.split(), 'novembre', 'décembre']
    for text, label in corpus.labelled('test'):
        assert any(text.split()[i].startswith(names[label][:3]) for i in range(3))
    train = corpus.labelled('train')
    assert len(train) == 300
    assert all(any(c[:3] in text for c in corpus.classes) for text, _ in train)
    assert 'held out in 1' in corpus.description


def test_pairs_of_days():
    corpus = DatePairsCorpus(
        ['en', 'de'], dict(train=2_000), other_month=1.0, years=(2000, 2009)
    )
    triples = corpus.triples('train')
    assert 900 < sum(is_same for *_, is_same in triples) < 1_100
    english = {
        written(d, p, 'en'): d
        for d in corpus.days['train']
        for p in corpus.patterns['en']
    }
    german = {
        written(d, p, 'de'): d
        for d in corpus.days['train']
        for p in corpus.patterns['de']
    }
    for first, second, is_same in triples:
        known = (english, german) if first in english else (german, english)
        a, b = known[0][first], known[1][second]
        assert (a == b) == is_same
        if not is_same:
            assert (a.year, a.day) == (b.year, b.day)
    assert len(list(corpus.training_texts())) == 4_000


@pytest.mark.parametrize(
    ('kwargs', 'message'),
    [
        (dict(locales=['ge']), "Babel knows no 'ge'"),
        (dict(locales=[]), 'locales: there is none'),
        (dict(locales=['ja'], months_by_name=True), 'ja has none of the styles'),
        (dict(locales=['ko'], months_by_name=True), 'and the month as a word'),
        (dict(styles=['longish']), "'longish' is none of full, long"),
        (dict(years=(2000, 1999)), 'years: the first and the last one'),
        (dict(years=(900, 1999)), 'from 1000 to 9999'),
        (dict(target='ISO'), "'iso' or 'locale', not 'ISO'"),
        (dict(dates_per_line=0), 'a number of at least 1'),
        (dict(dates_per_line=(3, 1)), 'the least and the most'),
        (dict(target='locale', locales=['en']), 'need 2 languages'),
        (dict(num=dict(train=0)), 'num.train: a whole number of at least 1'),
        (dict(num=dict(training=5)), "split 'training'"),
    ],
)
def test_refused_arguments(kwargs, message):
    with pytest.raises(UserError, match=message.replace('(', r'\(')):
        DatesCorpus(**kwargs)


def test_languages_that_contradict_each_other_are_refused():
    class Mixed(DateTexts):
        def _refuse_two_readings(self):
            self.patterns = dict(en=('M/d/y',), fr=('d/M/y',))
            super()._refuse_two_readings()

    with pytest.raises(
        UserError, match=r"'2/1/2023' is 2023-02-01 in en and 2023-01-02 in fr"
    ):
        Mixed(locales=['en', 'fr'])


def test_refused_pairs_and_shares():
    with pytest.raises(UserError, match='a pair needs two languages'):
        DatePairsCorpus(['en'])
    with pytest.raises(UserError, match='other_month: a share from 0 to 1'):
        DatePairsCorpus(other_month=2)


def test_all_languages_have_a_style():
    assert len(LOCALES) == 20
    assert min(map(len, DatesCorpus().patterns.values())) >= 4
