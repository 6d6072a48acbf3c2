"""The Chinese pages say what the English pages say.

Compared is, block by block, all that does not depend on the language: headings, code,
tables, figures, names, links and pictures. Whether two sentences say the same no test
can tell: of these ``pages.sha256`` notices that one of the two changed alone.
"""

import ast
import hashlib
import os
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

import pytest
from markdown_it import MarkdownIt
from pages import CHINESE, PAGES, ROOT, anchors, read

RECORD = Path(__file__).with_name('pages.sha256')
ENGLISH_PAGES = [p for p in PAGES if not p.endswith(CHINESE) and p != 'CHANGELOG.md']
CHINESE_PAGES = [p for p in PAGES if p.endswith(CHINESE)]
# for readers of Chinese alone: the messages of the tools are English
ONLY_CHINESE = {'README_zh-CN.md': ('常见的报错信息', '术语表')}
HAN = '\u4e00-\u9fff'
MARKDOWN = MarkdownIt('commonmark').enable('table')
SCALES = {'million': 1e6, 'billion': 1e9, 'M': 1e6, 'B': 1e9, '万': 1e4, '亿': 1e8}


def twin(page):
    """The page in the other language."""
    if page.endswith(CHINESE):
        return page.removesuffix(CHINESE) + '.md'
    return page.removesuffix('.md') + CHINESE


@dataclass
class Block:
    """A heading, a paragraph, a cell, code: what of it both languages have."""

    kind: str
    line: int
    facts: dict = field(default_factory=dict)


def figures(text):
    """Numbers in digits; 60 million, 60M and 6000 万 are the same."""
    found = re.findall(
        r'(\d+(?:,\d{3})*(?:\.\d+)?(?:e-?\d+)?)(?: ?(million|billion|万|亿|[MB]\b))?',
        text,
    )
    return Counter(
        f'{float(number.replace(",", "")) * SCALES[scale]:,.0f}' if scale else number
        for number, scale in found
    )


def of_code(language, text):
    """Comments are translated, and words in a drawing."""
    if language in ('python', 'sh', 'pycon', 'toml'):
        comment = re.compile(r'(?:^|(?<=\s))#\s.*$', re.M)
        comments = ' '.join(comment.findall(text))
        lines = comment.sub('', text).splitlines()
        return {
            'code': [line.rstrip() for line in lines if line.strip()],
            'figures in comments': figures(comments),
            'options in comments': set(re.findall(r'--[a-z][\w-]*', comments)),
        }
    facts = {'figures by line': [figures(line) for line in text.splitlines()]}
    return facts if re.search(f'[{HAN}]', text) else {**facts, 'text': text}


def of_link(target, page):
    """What it leads to: the page in whatever language, the how manieth heading."""
    if target.startswith(('https://', 'http://')):
        return target
    name, _, anchor = unquote(target).partition('#')
    path = os.path.normpath(Path(page).parent / name) if name else page
    if not path.endswith('.md') or path == 'CHANGELOG.md':
        return path, anchor
    # that there is such a file tests/test_pages.py tests
    there = anchor and (ROOT / path).exists()
    titles = anchors(without_own_sections(read(path), path)) if there else []
    heading = titles.index(anchor) if anchor in titles else anchor
    same = path.endswith(CHINESE) == page.endswith(CHINESE)
    path = path.replace(CHINESE, '.md')
    return path, heading, 'same language' if same else 'other language'


def of_text(children, page):
    text = ''.join(
        ' ' if c.type == 'softbreak' else c.content
        for c in children
        if c.type != 'code_inline'
    )
    return {
        'figures': figures(text),
        'names': {c.content for c in children if c.type == 'code_inline'},
        'links': Counter(
            of_link(c.attrs['href'], page) for c in children if c.type == 'link_open'
        ),
        'pictures': [
            os.path.normpath(Path(page).parent / c.attrs['src'])
            for c in children
            if c.type == 'image'
        ],
    }


def blocks(text, page):
    found = []
    line = 0
    for token in MARKDOWN.parse(text):
        line = token.map[0] + 1 if token.map else line
        if token.type in ('fence', 'code_block'):
            found.append(
                Block(f'code {token.info}', line, of_code(token.info, token.content))
            )
        elif token.type == 'inline':
            found[-1].facts = of_text(token.children, page)
        else:
            found.append(Block(f'{token.type} {token.tag}', line))
    return found


def section_of(text, title):
    """A section of the second level, with its heading."""
    found = re.search(rf'^## {title}\n.*?(?=^## )', text, re.M | re.S)
    assert found, f'there is no section {title!r}'
    return found[0]


def without_own_sections(text, page):
    for title in ONLY_CHINESE.get(page, ()):
        section = section_of(text, title)
        text = text.replace(section, '\n' * section.count('\n'))
    return text


def difference(page, english, chinese):
    """In words, of the first block that differs; empty if none does."""
    ours = blocks(english, page)
    theirs = blocks(without_own_sections(chinese, twin(page)), twin(page))
    for a, b in zip(ours, theirs, strict=False):
        where = f'{page}:{a.line} and {twin(page)}:{b.line}'
        if a.kind != b.kind:
            return f'{where}: {a.kind} beside {b.kind}'
        for fact in a.facts.keys() & b.facts.keys():
            if a.facts[fact] != b.facts[fact]:
                return f'{where}: {fact}: {a.facts[fact]} beside {b.facts[fact]}'
    if len(ours) != len(theirs):
        longer = page if len(ours) > len(theirs) else twin(page)
        return f'{longer} goes on where the other ends'
    return ''


@pytest.mark.parametrize('page', ENGLISH_PAGES)
def test_the_languages_link_to_each_other_at_the_top(page):
    for one, name in ((page, '中文'), (twin(page), 'English')):
        assert (ROOT / one).exists(), f'{one} is missing'
        assert read(one).splitlines()[2] == f'[{name}]({Path(twin(one)).name})', one


@pytest.mark.parametrize('page', ENGLISH_PAGES)
def test_both_languages_say_the_same(page):
    assert not difference(page, read(page), read(twin(page)))


@pytest.mark.parametrize('page', ENGLISH_PAGES)
def test_neither_language_changed_alone(page):
    recorded = dict(line.split()[::-1] for line in RECORD.read_text().splitlines())
    changed = [
        one
        for one in (page, twin(page))
        if hashlib.sha256(read(one).encode()).hexdigest() != recorded.get(one)
    ]
    assert not changed, (
        f'{" and ".join(changed)} changed. When {page} and {twin(page)} say the same, '
        f'record both: sha256sum README*.md CONTRIBUTING*.md projects/*/*.md '
        f'> tests/{RECORD.name}'
    )


ENGLISH = """# Net

[中文](README_zh-CN.md)

It has `nn.ReLU`, 3 layers and 60 million weights, see
[LeNet](../lenet/README.md#speed).

- one
- two

| layer | weights |
|---|---|
| conv | 1,024 |

![A picture](net.png)

```sh
# trains in 5 min, or --resume
python tools/train.py configs/net.py
```

    sum over c: 1 2
"""
CHINESE_OF_IT = """# 网络

[English](README.md)

它有 3 层、6000 万个权重，用 `nn.ReLU`，见 [LeNet](../lenet/README_zh-CN.md#速度)。

- 一
- 二

| 层 | 权重数 |
|---|---|
| 卷积 | 1,024 |

![一张图](net.png)

```sh
# 训练 5 分钟，可加 --resume
python tools/train.py configs/net.py
```

    对 c 求和：1 2
"""


def difference_of_nets(english, chinese):
    return difference('projects/lenet/README.md', english, chinese)


def test_a_translation_does_not_differ():
    assert difference_of_nets(ENGLISH, CHINESE_OF_IT) == ''


@pytest.mark.parametrize(
    ('old', 'new', 'expected'),
    [
        ('# 网络', '## 网络', 'heading_open h1 beside heading_open h2'),
        ('# 网络', '# 网络 2', 'figures'),
        ('3 层', '4 层', 'figures'),
        ('6000 万', '600 万', 'figures'),
        ('`nn.ReLU`', '`nn.GELU`', 'names'),
        ('lenet/README_zh-CN.md', 'lenet/README.md', 'links'),
        ('#速度', '#结果', 'links'),
        ('\n- 二', '', 'list_item_open'),
        ('\n- 一', '\n多一段。\n\n- 一', 'paragraph_open'),
        ('1,024', '1,042', 'figures'),
        ('| 卷积 | 1,024 |', '| 卷积 | 1,024 |\n| 池化 | |', 'tr_open'),
        ('net.png', 'nets.png', 'pictures'),
        ('train.py configs', 'test.py configs', 'code'),
        ('5 分钟', '6 分钟', 'figures in comments'),
        ('--resume', '重来', 'options in comments'),
        ('求和：1 2', '求和：1 3', 'figures by line'),
        ('求和：1 2\n', '求和：1 2\n\n多一段。\n', 'goes on where the other ends'),
    ],
)
def test_a_change_in_one_language_is_noticed(old, new, expected):
    assert CHINESE_OF_IT.count(old) == 1
    found = difference_of_nets(ENGLISH, CHINESE_OF_IT.replace(old, new))
    assert expected in found


# one word for one thing on all pages; the glossary has the others that books use
CHOSEN = {
    '汇聚': '池化',
    '步长': '步幅',
    '批规范化': '批归一化',
    '批量归一化': '批归一化',
    '批标准化': '批归一化',
    '感受域': '感受野',
    '默认框': '先验框',
    '跳跃连接': '残差连接',
    '激励函数': '激活函数',
    '非极大抑制': '非极大值抑制',
    '非最大值抑制': '非极大值抑制',
    '标记化': '分词',
    '模式崩溃': '模式坍塌',
    '模式崩塌': '模式坍塌',
}


def sentences(page, text=None):
    """The texts of a page outside of code, with their lines."""
    for token in MARKDOWN.parse(text or read(page)):
        if token.type == 'inline':
            # code is set as a word in Latin letters
            shown = {'softbreak': '\n', 'code_inline': 'x'}
            parts = [shown.get(c.type, c.content) for c in token.children]
            yield token.map[0] + 1, ''.join(parts)


@pytest.mark.parametrize('page', CHINESE_PAGES)
def test_chinese_is_set_as_chinese_is(page):
    for line, text in sentences(page):
        where = f'{page}:{line}: {text}'
        assert not re.search(f'[{HAN}][A-Za-z0-9]|[A-Za-z0-9%][{HAN}]', text), where
        assert not re.search(f'[{HAN}][,;:?!()]|[,;:?!()][{HAN}]', text), where
        # a paragraph is one line: a browser shows a space for the end of a line
        assert '\n' not in text, where
        # stars that no renderer takes for emphasis
        assert '*' not in text, where


@pytest.mark.parametrize('page', CHINESE_PAGES)
def test_one_word_for_one_thing(page):
    text = without_own_sections(read(page), page)
    for line, sentence in sentences(page, text):
        for other, chosen in CHOSEN.items():
            assert other not in sentence, f'{page}:{line}: {other}, not {chosen}'


def table_of(title):
    """The rows of the tables below a heading of the Chinese README, without heads."""
    section = section_of(read('README_zh-CN.md'), title)
    rows = re.findall(r'^\| (.*) \|\n(?!\|---)', section, re.M)
    return [row.split(' | ') for row in rows]


def test_the_glossary_names_pages_that_have_the_term():
    rows = table_of('术语表')
    assert len(rows) >= 60
    terms = [re.sub('（.*', '', row[0]) for row in rows]
    assert len(set(terms)) == len(terms)
    for term, (_, english, says, where) in zip(terms, rows, strict=True):
        assert re.search('[a-z]', english)
        assert says
        page = re.search(r'\((.*)\)', where)[1]
        assert all(part in read(page) for part in term.split('、')), f'{term}: {page}'


def messages():
    """The texts of the code, with … for what it fills in."""
    for file in ROOT.glob('projects/**/*.py'):
        for node in ast.walk(ast.parse(file.read_text(encoding='utf-8'))):
            if isinstance(node, ast.JoinedStr):
                parts = [getattr(part, 'value', '…') for part in node.values]
                yield ''.join(p if isinstance(p, str) else '…' for p in parts)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def test_the_messages_that_are_explained_exist():
    known = list(messages())
    explained = [row[0].strip('`') for row in table_of('常见的报错信息')]
    assert len(explained) >= 12
    for message in explained:
        fixed = [re.escape(part) for part in message.split('…')]
        pattern = re.compile('.*'.join(fixed), re.S)
        assert any(map(pattern.search, known)), message
