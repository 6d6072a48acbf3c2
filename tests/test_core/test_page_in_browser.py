"""A page in a real browser: what it shows is what the run had."""

import re

import numpy as np
import pytest

from projects.core.reports import page
from projects.core.reports.blocks import (
    Bars,
    Curves,
    Matrix,
    Picture,
    Pictures,
    Point,
    Points,
    Section,
    Series,
    Table,
    Text,
)

EVIL = '</script><img src=x onerror="window.hacked = 1">'
TRAIN = [2 / (1 + i / 10) for i in range(100)]
VAL = [1.0, 0.75, None, 0.515625, 0.4]
CONFUSION = [[17, 2, 1], [0, 20, 0], [5, 5, 10]]
WIDE = [f'a column {i} with a long name' for i in range(12)]


@pytest.fixture(scope='module')
def path(tmp_path_factory):
    """A page with blocks of each kind."""
    curves = Curves(
        'loss',
        'Loss',
        'iteration',
        'loss',
        [
            Series('train', list(range(100)), TRAIN, group='loss'),
            Series('val', [20, 40, 60, 80, 99], VAL, dashed=True, group='loss'),
            Series('mean', [0, 50, 99], [1, 2, 3], [0, 1, 2], [2, 3, 4]),
        ],
    )
    points = [Point('lenet', 0.06, 97, 'small', 'lenet/report.html')]
    points += [Point('resnet', 11, 99, 'large'), Point(EVIL, 5, 90, 'large')]
    images = [Picture(f'picture {i} {EVIL}', image(i)) for i in range(3)]
    sections = [
        Section('Training', [curves], note=EVIL),
        Section(
            'Evaluation',
            [
                Bars('size', 'Recall', ['small', EVIL], 'recall', {'a': [0.5, 0.25]}),
                Points('front', 'Front', 'M', '%', points, log_x=True, front=True),
                Matrix(
                    'm',
                    'Confusion',
                    'truth',
                    'said',
                    *[['a', EVIL, 'c']] * 2,
                    CONFUSION,
                ),
                Table(
                    't',
                    'Classes',
                    ['class', *WIDE],
                    TABLE,
                    better=['', '+'] + [''] * 11,
                ),
            ],
        ),
        Section('Pictures', [Pictures('p', 'Worst', images)]),
        Section(
            'Words', [Text('w', 'Config', 'x = 1  # ' + 'long ' * 200, verbatim=True)]
        ),
    ]
    folder = tmp_path_factory.mktemp('page')
    html = page.render(f'A run {EVIL}', [('Status', EVIL)], sections, [EVIL])
    (folder / 'report.html').write_text(html, encoding='utf-8')
    return folder / 'report.html'


TABLE = [['b', 10, *[0.5] * 11], ['a', 9, *[0.5] * 11], [EVIL, None, *['word'] * 11]]


def image(seed):
    return np.random.default_rng(seed).integers(0, 255, (60, 80, 3)).astype(np.uint8)


def drawn(tab, title):
    """A chart, once it is drawn."""
    chart = tab.locator('article', has=tab.get_by_role('heading', name=title)).locator(
        '.chart'
    )
    chart.scroll_into_view_if_needed()
    chart.locator('svg .mark-group').first.wait_for(state='attached')
    return chart


def point_at(tab, chart, x):
    """Point at a share of the width within the axes; what the tooltip says."""
    box = chart.locator('svg .background').first.bounding_box()
    tab.mouse.move(box['x'] + x * box['width'], box['y'] + box['height'] / 2)
    tab.locator('#tooltip').wait_for()
    rows = tab.locator('#tooltip tr').all_inner_texts()
    return dict(row.strip().split('\t') for row in rows)


def lines_of(chart):
    return chart.locator('.mark-line path').evaluate_all(
        'paths => paths.map(p => p.getAttribute("d")).filter(Boolean)'
    )


def test_a_curve_is_read_off_by_pointing(path, open_page):
    tab = open_page(path)
    chart = drawn(tab, 'Loss')
    # the axis has six pixels beside the data at both ends
    texts = point_at(tab, chart, 0.5)
    head = tab.locator('#tooltip b').inner_text()
    at = int(re.fullmatch(r'iteration (\d+)', head)[1])
    assert 47 <= at <= 52
    assert float(texts['train']) == pytest.approx(TRAIN[at], rel=1e-5)
    assert texts['mean'].startswith('2')
    # at 60 there is no value
    assert texts['val'] in ('0.75 (at 40)', '– (at 60)')
    texts = point_at(tab, chart, 0.8)
    assert texts['val'].startswith('0.515625')
    tab.mouse.move(1, 1)
    tab.locator('#tooltip').wait_for(state='hidden')


def test_a_curve_is_read_off_by_touching(path, open_page):
    tab = open_page(path, 375, has_touch=True, is_mobile=True)
    chart = drawn(tab, 'Loss')
    box = chart.locator('svg').bounding_box()
    tab.touchscreen.tap(box['x'] + box['width'] / 2, box['y'] + 100)
    tab.locator('#tooltip').wait_for()
    assert 'train' in tab.locator('#tooltip').inner_text()


def test_a_curve_is_read_off_with_the_keyboard(path, open_page):
    tab = open_page(path)
    chart = drawn(tab, 'Loss')
    tab.get_by_role('slider', name='Loss: line chart of train, val, mean').focus()
    for key in ('Home', 'ArrowRight', 'ArrowRight', 'ArrowLeft'):
        tab.keyboard.press(key)
    assert chart.get_attribute('aria-valuenow') == '1'
    assert f'{TRAIN[1]:.6g}' in chart.get_attribute('aria-valuetext')
    tab.keyboard.press('Escape')
    tab.locator('#tooltip').wait_for(state='hidden')


def test_a_name_in_the_legend_hides_its_line(path, open_page):
    tab = open_page(path)
    chart = drawn(tab, 'Loss')
    # that of the validation has a gap and starts twice: M is "move to"
    assert sorted(d.count('M') for d in lines_of(chart)) == [1, 1, 2]
    button = tab.get_by_role('button', name='train', exact=True)
    button.click()
    assert button.get_attribute('aria-pressed') == 'false'
    assert len(lines_of(chart)) == 2
    assert 'train' not in point_at(tab, chart, 0.5)
    button.press('Enter')
    assert len(lines_of(chart)) == 3


def test_the_wheel_zooms_with_ctrl_alone(path, open_page):
    from playwright.sync_api import expect

    expect.set_options(timeout=30_000)
    tab = open_page(path)
    chart = drawn(tab, 'Loss')
    start = chart.locator('.role-axis-label').first.get_by_text('0', exact=True)
    box = chart.locator('svg').bounding_box()
    tab.mouse.move(box['x'] + 200, box['y'] + 100)
    tab.mouse.wheel(0, -1)
    expect(start).to_have_count(1)
    tab.keyboard.down('Control')
    tab.mouse.wheel(0, -300)
    expect(start).to_have_count(0)
    tab.keyboard.up('Control')
    tab.mouse.dblclick(box['x'] + 200, box['y'] + 100)
    expect(start).to_have_count(1)


def test_a_cell_says_what_it_counts(path, open_page):
    tab = open_page(path)
    chart = drawn(tab, 'Confusion')
    assert chart.locator('.mark-text.role-mark text').all_text_contents() == [
        str(n) for row in CONFUSION for n in row
    ]
    texts = point_at(tab, chart, 0.5)
    assert texts == {
        'truth': EVIL, 'said': EVIL, 'value': '20', 'share of the row': '100.0%',
    }  # fmt: skip


def test_bars_and_points_say_what_they_are(path, open_page):
    tab = open_page(path)
    drawn(tab, 'Recall').locator('.mark-rect path').last.hover()
    assert tab.locator('#tooltip').inner_text().split('\n')[-1].split() == [
        'recall',
        '0.25',
    ]
    chart = drawn(tab, 'Front')
    names = chart.locator('.mark-text.role-mark text').all_text_contents()
    assert {'lenet', 'resnet'} <= set(names)
    chart.locator('.mark-symbol path').first.hover()
    assert 'lenet' in tab.locator('#tooltip').inner_text()
    tab.get_by_text('Numbers').nth(2).click()
    link = tab.get_by_role('link', name='lenet')
    assert link.get_attribute('href') == 'lenet/report.html'


def test_both_themes(path, open_page):
    tab = open_page(path)
    chart = drawn(tab, 'Loss')
    words = chart.locator('.role-axis-label text').first

    def brightness(locator, name):
        color = locator.evaluate('(e, name) => getComputedStyle(e)[name]', name)
        return sum(map(int, re.findall(r'\d+', color)[:3]))

    for scheme, dark in (('light', False), ('dark', True)):
        tab.emulate_media(color_scheme=scheme)
        assert (brightness(tab.locator('body'), 'backgroundColor') < 120) == dark
        assert (brightness(words, 'fill') > 400) == dark
    # on paper it is light
    tab.emulate_media(media='print', color_scheme='dark')
    assert brightness(tab.locator('body'), 'backgroundColor') == 3 * 255
    assert brightness(words, 'fill') < 400


def test_nothing_is_wider_than_the_window(path, open_page):
    tab = open_page(path, 1440)
    tab.evaluate('Promise.all(charts.map(draw)).then(() => 1)')
    for width in (1440, 768, 375):
        tab.set_viewport_size(dict(width=width, height=900))
        tab.evaluate('new Promise(requestAnimationFrame)')  # charts have followed
        assert tab.evaluate('document.documentElement.scrollWidth') <= width
        boxes = tab.locator('.chart svg').evaluate_all(
            'all => all.map(e => [e.getBoundingClientRect().right, e.clientWidth])'
        )
        assert len(boxes) == 4
        for right, chart_width in boxes:
            assert right <= width
            assert chart_width > 300


def test_charts_are_drawn_when_they_come_near(tmp_path, open_page):
    blocks = [
        Curves(f'c{i}', f'C {i}', 'x', 'y', [Series('a', [1, 2], [1, 2])])
        for i in range(30)
    ]
    (tmp_path / 'many.html').write_text(page.render('Many', [], [Section('S', blocks)]))
    tab = open_page(tmp_path / 'many.html')
    drawn(tab, 'C 0')
    assert tab.locator('.chart svg').count() < 15
    tab.locator('.chart').last.scroll_into_view_if_needed()
    drawn(tab, 'C 29')
    assert tab.locator('.chart svg').count() < 30


def test_all_charts_are_printed(path, open_page):
    tab = open_page(path, 375)
    assert tab.locator('.chart svg').count() < 4
    assert tab.pdf().startswith(b'%PDF')
    assert tab.locator('.chart svg').count() == 4


def test_all_is_reached_with_the_keyboard(path, open_page):
    """In order, and what has the focus is seen to have it."""
    tab = open_page(path)
    drawn(tab, 'Loss')
    seen = []
    for _ in range(60):
        tab.keyboard.press('Tab')
        seen.append(
            tab.evaluate("""() => {
                const e = document.activeElement;
                const named = e.getAttribute('aria-label') || e.innerText || '';
                return e === document.body ? null : [e.tagName, e.getAttribute('role'),
                    named.trim(), getComputedStyle(e).outlineStyle];
            }""")
        )
    seen = seen[: seen.index(None)] if None in seen else seen
    assert seen[0][2] == 'Skip to the content'
    assert [s[2] for s in seen[1:5]] == ['Training', 'Evaluation', 'Pictures', 'Words']
    assert all(
        (name and outline == 'auto') or outline == 'solid' for *_, name, outline in seen
    )
    found = [(tag, role) for tag, role, *_ in seen]
    assert ('DIV', 'slider') in found
    assert ('DIV', 'region') in found
    assert ('PRE', 'region') in found
    assert found.count(('SUMMARY', None)) == 5
    names = ' '.join(name for *_, name, _ in seen)
    for word in ('train', 'Save as PNG: Loss', 'class', 'Enlarge: picture 2'):
        assert word in names
    tab.locator('.skip').press('Enter')
    assert tab.evaluate('document.activeElement.id') == 'main'


def test_names_are_said_and_do_not_run(path, open_page):
    tab = open_page(path)
    tab.evaluate('Promise.all(charts.map(draw)).then(() => 1)')
    assert tab.evaluate('window.hacked') is None
    assert EVIL in tab.locator('h1').inner_text()
    assert EVIL in tab.locator('.notice').inner_text()
    for name in ('Recall: bar chart', 'Front: scatter plot', 'Confusion: heat map'):
        assert tab.get_by_role('img', name=name).count() == 1
    assert tab.get_by_role('slider').count() == 1
    assert tab.get_by_role('main').count() == 1
    assert tab.get_by_role('navigation', name='Sections').count() == 1
    assert tab.get_by_role('table', name='Classes').count() == 1


def test_the_policy_stops_what_escaping_missed(path, browser, tmp_path):
    """A script that gets into the page after all does not run."""
    html = path.read_text().replace('<main', '<script>window.hacked = 1</script><main')
    (tmp_path / 'hacked.html').write_text(html)
    context = browser.new_context(offline=True)
    tab = context.new_page()
    tab.goto((tmp_path / 'hacked.html').as_uri())
    assert tab.evaluate('window.hacked') is None
    context.close()


def test_tables_are_sorted(path, open_page):
    tab = open_page(path)
    article = tab.locator('article', has=tab.get_by_role('heading', name='Classes'))

    def names():
        return article.locator('tbody th').all_inner_texts()

    assert names() == ['b', 'a', EVIL]
    # keys alone: charts that are drawn meanwhile move what a click is aimed at
    article.get_by_role('button', name='class').press('Enter')
    assert names() == [EVIL, 'a', 'b']
    number = article.get_by_role('button', name=re.compile(f'{WIDE[0]} ↑'))
    number.press('Enter')
    assert names() == ['b', 'a', EVIL]  # 10, 9, none
    assert number.locator('xpath=..').get_attribute('aria-sort') == 'descending'
    number.press('Enter')
    assert names() == ['a', 'b', EVIL]  # none stays below


def test_a_picture_opens_large(path, open_page):
    tab = open_page(path)
    tab.get_by_role('button', name='Enlarge: picture 1').press('Enter')
    dialog = tab.get_by_role('dialog')
    dialog.wait_for()
    assert 'picture 1' in dialog.inner_text()
    assert dialog.locator('img').bounding_box()['width'] > 400
    tab.keyboard.press('Escape')
    dialog.wait_for(state='hidden')


def test_charts_are_saved(path, open_page, tmp_path):
    tab = open_page(path, color_scheme='dark')
    for kind, start in (('PNG', b'\x89PNG'), ('SVG', b'<svg')):
        with tab.expect_download() as download:
            tab.get_by_role('button', name=f'Save as {kind}: Front').click()
        file = tmp_path / kind
        download.value.save_as(file)
        assert download.value.suggested_filename == f'Front.{kind.lower()}'
        assert file.read_bytes().startswith(start)
        assert b'var(--' not in file.read_bytes()


def test_without_scripts_numbers_and_pictures_are_there(path, open_page):
    tab = open_page(path, java_script_enabled=False)
    assert tab.get_by_text('its numbers are below').count() == 4
    tab.locator('summary').nth(1).click()
    article = tab.locator('article', has=tab.get_by_role('heading', name='Loss'))
    assert '0.515625' in article.locator('table').inner_text()
    assert tab.locator('.pictures img').first.bounding_box()['height'] > 50
