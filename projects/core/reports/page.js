'use strict';
// LIGHT, the colours by name, comes from the page.

const tooltip = document.getElementById('tooltip');
const charts = [...document.querySelectorAll('.chart')];
const drawn = new Map();

const number = (value) => value === null || value === undefined ? '–' : String(value);
const element = (tag, text, parent) => {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = text;
  if (parent) parent.append(node);
  return node;
};

// ---- charts

function readSpec(chart) {
  return JSON.parse(chart.nextElementSibling.textContent);
}

// `spec` in `parent`; the promise of its view
async function embed(parent, spec) {
  const marks = spec.usermeta?.marks ?? [];
  const {view} = await vegaEmbed(parent, spec, {
    mode: 'vega-lite', renderer: 'svg', actions: false, defaultStyle: false,
    logLevel: 1,  // errors
    ast: true,  // an interpreter: the page allows no eval
    patch: (vega) => ({...vega, marks: [...vega.marks, ...marks]}),
    tooltip: (_, event, item, value) => showValues(event, value),
  });
  return view;
}

// the promise of a chart's view, null where it failed
function draw(chart) {
  if (!drawn.has(chart)) drawn.set(chart, start(chart));
  return drawn.get(chart);
}

async function start(chart) {
  const spec = readSpec(chart);
  // the page has its own
  for (const {encoding} of [spec, ...spec.layer ?? []]) {
    for (const channel of Object.values(encoding ?? {})) if (channel.legend) channel.legend = null;
  }
  delete spec.title;
  spec.width = 'container';
  spec.config.background = null;
  try {
    // Vega gives its parent a role
    const view = await embed(element('div', undefined, chart), spec);
    const reader = chart.dataset.kind === 'curves' ? new Reader(chart, view, spec) : null;
    return {view, reader};
  } catch (error) {
    chart.replaceChildren();
    element('p', 'This chart cannot be drawn; its numbers are below.', chart);
    console.error(error);
    return null;
  }
}

// ---- what the tooltip says

function place(x, y) {
  tooltip.hidden = false;
  const box = tooltip.getBoundingClientRect();
  const right = x + 16 + box.width > document.documentElement.clientWidth;
  const left = right ? Math.max(x - 16 - box.width, 4) : x + 16;
  const top = Math.min(Math.max(y - box.height / 2, 4), innerHeight - box.height - 4);
  tooltip.style.transform = `translate(${left}px, ${Math.max(top, 4)}px)`;
}

function row(table, name, value, swatch) {
  const tr = element('tr', undefined, table);
  const th = element('th', undefined, tr);
  if (swatch) th.append(swatch.cloneNode(true), ' ');
  element('bdi', name, th);
  element('td', value, tr);
}

function showValues(event, value) {
  if (value === null || value === undefined || value === '') {
    tooltip.hidden = true;
    return;
  }
  tooltip.replaceChildren();
  const table = document.createElement('table');
  for (const [name, text] of Object.entries(value)) {
    if (name.trim()) row(table, name, text);
    else element('b', text, tooltip);
  }
  tooltip.append(table);
  place(event.clientX, event.clientY);
}

// ---- values of curves at a place of the axis

class Reader {
  constructor(chart, view, spec) {
    Object.assign(this, {chart, view, hidden: new Set()});
    this.label = spec.encoding.x.title;
    this.finer = spec.usermeta?.finer;
    this.names = spec.params.find((p) => p.name === 'names').value;
    const layer = spec.layer.find((l) => l.name === 'lines');
    this.lines = layer.data.values.filter((line) => line.x.length);
    this.swatches = [...chart.parentElement.querySelectorAll('.swatch')];
    this.at = null;
    this.collect();
    chart.addEventListener('pointermove', (event) => this.point(event));
    chart.addEventListener('pointerdown', (event) => this.point(event));
    chart.addEventListener('pointerleave', (event) => {
      if (event.pointerType !== 'touch') this.leave();
    });
    chart.addEventListener('keydown', (event) => this.key(event));
    chart.addEventListener('blur', () => this.leave());
  }

  collect() {
    const shown = this.lines.filter((line) => !this.hidden.has(line.s));
    this.xs = [...new Set(shown.flatMap((line) => line.x))].sort((a, b) => a - b);
    this.chart.setAttribute('aria-valuemin', this.xs[0] ?? 0);
    this.chart.setAttribute('aria-valuemax', this.xs.at(-1) ?? 0);
  }

  point(event) {
    const svg = this.chart.querySelector('svg');
    if (!svg || !this.xs.length) return;
    const box = svg.getBoundingClientRect();
    const scale = svg.viewBox.baseVal.width / box.width;
    const [left, top] = this.view.origin();
    const x = (event.clientX - box.left) * scale - left;
    const y = (event.clientY - box.top) * scale - top;
    if (x < -8 || x > this.view.signal('width') + 8) return this.leave();
    this.read(nearest(this.xs, this.view.scale('x').invert(x)), y);
    place(event.clientX, event.clientY);
  }

  key(event) {
    const step = {ArrowRight: 1, ArrowUp: 1, ArrowLeft: -1, ArrowDown: -1,
      PageUp: 10, PageDown: -10, Home: -1e9, End: 1e9}[event.key];
    if (event.key === 'Escape') this.leave();
    if (!step || !this.xs.length) return;
    event.preventDefault();
    const start = this.at === null ? (step > 0 ? -1 : this.xs.length) : this.at;
    this.read(Math.min(Math.max(start + step, 0), this.xs.length - 1));
    const box = this.chart.querySelector('svg').getBoundingClientRect();
    place(box.left + this.view.origin()[0] + this.view.scale('x')(this.xs[this.at]),
      box.top + box.height / 2);
    this.chart.setAttribute('aria-valuenow', this.xs[this.at]);
    this.chart.setAttribute('aria-valuetext', tooltip.innerText);
  }

  // `y`: of the pointer, for which of many series are said
  read(index, y) {
    this.at = index;
    const x = this.xs[index];
    let found = [];
    for (const line of this.lines) {
      if (this.hidden.has(line.s)) continue;
      const k = nearest(line.x, x);
      // a line that ends before has no value here
      const step = Math.abs(line.x[Math.min(k + 1, line.x.length - 1)] - line.x[Math.max(k - 1, 0)]);
      if (Math.abs(line.x[k] - x) <= step / 2) found.push({s: line.s, x: line.x[k], y: line.y[k]});
    }
    const rows = found.filter((one) => one.y !== null);
    const total = found.length;
    if (y !== undefined && total > 16) {
      const scale = this.view.scale('y');
      const away = (one) => one.y === null ? Infinity : Math.abs(scale(one.y) - y);
      found = found.sort((a, b) => away(a) - away(b)).slice(0, 12);
    }
    tooltip.replaceChildren();
    const finer = this.finer ? `, ${this.finer[0]} ${number(Math.round(x * this.finer[1]))}` : '';
    element('b', `${this.label} ${number(x)}${finer}`, tooltip);
    const table = element('table', undefined, tooltip);
    for (const one of found) {
      const at = one.x === x ? '' : ` (at ${number(one.x)})`;
      row(table, this.names[one.s], number(one.y) + at, this.swatches[one.s]);
    }
    if (found.length < total) element('i', `and ${total - found.length} more`, tooltip);
    this.view.data('cursor', [{x}]).data('read', rows).run();
  }

  leave() {
    if (this.at === null) return;
    this.at = null;
    tooltip.hidden = true;
    this.view.data('cursor', []).data('read', []).run();
  }
}

// index of the number next to `x` in an ascending list
function nearest(list, x) {
  let low = 0, high = list.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (list[middle] < x) low = middle + 1; else high = middle;
  }
  return low > 0 && x - list[low - 1] <= list[low] - x ? low - 1 : low;
}

// ---- legends

for (const legend of document.querySelectorAll('.legend')) {
  const chart = legend.parentElement.querySelector('.chart');
  const buttons = [...legend.querySelectorAll('button')];
  const lit = async (index) => (await draw(chart))?.view.signal('lit', index).run();
  for (const [index, button] of buttons.entries()) {
    button.title = button.textContent.trim();
    button.addEventListener('click', async () => {
      const on = button.getAttribute('aria-pressed') !== 'true';
      button.setAttribute('aria-pressed', on);
      const hidden = buttons.flatMap((b, i) => b.getAttribute('aria-pressed') === 'true' ? [] : [i]);
      const state = await draw(chart);
      if (!state) return;
      if (state.reader) {
        state.reader.hidden = new Set(hidden);
        state.reader.collect();
      }
      state.view.signal('lit', -1).signal('hidden', hidden).run();
    });
    button.addEventListener('pointerenter', (event) => {
      if (event.pointerType === 'mouse' && button.getAttribute('aria-pressed') === 'true') lit(index);
    });
    button.addEventListener('pointerleave', () => lit(-1));
  }
}

// ---- drawn when they come near, and all of them before they are printed

const observer = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    observer.unobserve(entry.target);
    draw(entry.target);
  }
}, {rootMargin: '600px'});
for (const chart of charts) {
  chart.replaceChildren();  // what stands there without a script
  observer.observe(chart);
}
addEventListener('beforeprint', () => charts.forEach(draw));
addEventListener('scroll', () => { tooltip.hidden = true; }, {passive: true});

// ---- saving

function save(name, url) {
  const link = document.createElement('a');
  Object.assign(link, {download: name, href: url});
  link.click();
}

// as the PNG files of an evaluation: on white, with title and legend
async function saveChart(chart, kind) {
  const text = chart.nextElementSibling.textContent.replace(
    /var\(--(\w+)\)/g, (whole, name) => LIGHT[name] ?? whole);
  const spec = JSON.parse(text);
  spec.config.padding = 12;
  const view = await embed(document.createElement('div'), spec);
  const name = chart.closest('.block').querySelector('h3').textContent;
  save(`${name.replace(/[^\w-]+/g, '_')}.${kind}`, await view.toImageURL(kind, 2));
}

function csv(table) {
  const quote = (text) => /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  const value = (cell) => cell.textContent.replace(/^–$/, '').replace(/^-?[\d,]+(\.\d+)?$/,
    (text) => text.replaceAll(',', ''));
  return [...table.rows].map((r) => [...r.cells].map((c) => quote(value(c).trim())).join(',')).join('\n');
}

for (const chart of charts) {
  const details = chart.parentElement.querySelector('details.numbers');
  const under = element('div');
  under.className = 'under';
  details.before(under);
  const bar = element('div');
  bar.className = 'save';
  const title = chart.parentElement.querySelector('h3').textContent;
  for (const kind of ['png', 'svg']) {
    const button = element('button', kind.toUpperCase(), bar);
    button.type = 'button';
    button.setAttribute('aria-label', `Save as ${kind.toUpperCase()}: ${title}`);
    button.addEventListener('click', () => saveChart(chart, kind));
  }
  under.append(details, bar);
}

// ---- tables

for (const table of document.querySelectorAll('table.sortable')) {
  const heads = [...table.tHead.rows[0].cells];
  const key = (tr, i) => {
    const text = tr.cells[i].textContent;
    const value = Number(text.replaceAll(',', '').replace(/%$/, '') || NaN);
    return text === '–' ? null : Number.isNaN(value) ? text : value;
  };
  const compare = (a, b) => typeof a === 'number' && typeof b === 'number' ? a - b
    : String(a).localeCompare(String(b), undefined, {numeric: true});
  for (const [i, head] of heads.entries()) {
    const button = element('button');
    button.type = 'button';
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener('click', () => {
      const down = head.getAttribute('aria-sort') !== 'descending' && !head.classList.contains('t') && i > 0
        || head.getAttribute('aria-sort') === 'ascending';
      for (const other of heads) other.removeAttribute('aria-sort');
      head.setAttribute('aria-sort', down ? 'descending' : 'ascending');
      const rows = [...table.tBodies[0].rows].map((tr) => [key(tr, i), tr]);
      rows.sort(([a], [b]) => a === null || b === null ? (a === null) - (b === null)
        : down ? compare(b, a) : compare(a, b));
      table.tBodies[0].append(...rows.map(([, tr]) => tr));
    });
  }
}

// ---- pictures, large

const dialog = document.getElementById('large');
for (const button of document.querySelectorAll('.open')) {
  button.addEventListener('click', () => {
    const [image, large] = [button.querySelector('img'), dialog.querySelector('img')];
    Object.assign(large, {src: image.src, alt: image.alt, className: image.className});
    dialog.querySelector('figcaption').textContent = image.alt;
    dialog.showModal();
  });
}
dialog.addEventListener('click', (event) => { if (event.target === dialog) dialog.close(); });
