"""The project's pages, and what their Markdown consists of."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]
CHINESE = '_zh-CN.md'
PAGES = [
    'README.md',
    'README_zh-CN.md',
    'CONTRIBUTING.md',
    'CONTRIBUTING_zh-CN.md',
    'CHANGELOG.md',
    *sorted(str(p.relative_to(ROOT)) for p in ROOT.glob('projects/*/*.md')),
]


def read(page):
    return (ROOT / page).read_text(encoding='utf-8')


def anchors(text):
    """GitHub's, of the headings, in their order."""
    headings = re.findall(
        r'^#+ (.*)$', re.sub(r'```.*?```', '', text, flags=re.S), re.M
    )
    return [
        re.sub(r'[^\w\- ]', '', title.lower()).strip().replace(' ', '-')
        for title in headings
    ]
