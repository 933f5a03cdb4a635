// A document's text as its author meant it: headings, lists, tables, code. The words stay the same, so a citation's marks fit.

const MOST_COLUMNS = 40;

// The blocks with their offsets in units, and with `children`; the outermost ones are those of the result.
function treeOf(text, blocks) {
  const points = [...new Set(blocks.flatMap(({ start, end, cells }) => [start, end, ...cells.flatMap(([, a, b]) => [a, b])]))].sort((a, b) => a - b);
  const unit = new Map(units(text, points).map((at, i) => [points[i], at]));
  const found = blocks.map(block => ({ ...block, start: unit.get(block.start), end: unit.get(block.end), cells: block.cells.map(([column, a, b]) => [column, unit.get(a), unit.get(b)]), children: [] }));
  const outermost = [];
  for (const block of found) {
    let parent = found[block.parent];
    while (parent && ['heading', 'group'].includes(parent.kind)) parent = found[parent.parent];
    (parent ? parent.children : outermost).push(block);
  }
  return outermost.filter(({ kind }) => kind !== 'group');
}

// Nodes of text[from:to] in blocks; text between them is a paragraph.
function flowOf(text, ranges, blocks, from, to) {
  const nodes = [];
  let at = from;
  const plain = end => { if (text.slice(at, end).trim()) nodes.push(el('p', {}, marked(text, ranges, at, end))); };
  for (const block of blocks) {
    if (block.end <= at || block.start >= to) continue;
    plain(block.start);
    nodes.push(RENDER[block.kind](text, ranges, block, Math.max(from, block.start), Math.min(to, block.end)));
    at = Math.min(to, block.end);
  }
  plain(to);
  return nodes;
}

function itemOf(text, ranges, block, from, to) {
  const own = block.start + block.marker.length;
  const first = block.children.length ? Math.min(to, block.children[0].start) : to;
  const words = text.slice(own, first);
  const begin = Math.max(from, own + words.length - words.trimStart().length);
  const bullet = /[\dA-Za-z]/.test(block.marker) ? block.marker : '•';
  const last = begin + text.slice(begin, first).trimEnd().length;
  return el('li', {}, el('span', { class: 'bullet' }, bullet), el('div', {}, marked(text, ranges, begin, last), flowOf(text, ranges, block.children, Math.max(begin, first), to)));
}

// Cells under the names of their columns; those of no column come first.
function tableOf(text, ranges, { children, columns }, from, to) {
  const lines = children.filter(({ kind, start, end }) => kind !== 'caption' && end > from && start < to);
  const names = columns.length > MOST_COLUMNS ? [] : columns;
  const before = Math.max(0, ...lines.map(({ cells }) => cells.filter(([column]) => column < 0).length));
  const cell = (tag, [, a, b]) => el(tag, tag === 'th' ? { scope: 'col' } : {}, marked(text, ranges, Math.max(a, from), Math.min(b, to)));
  const row = ({ kind, start, end, cells }) => {
    const tag = kind === 'header' ? 'th' : 'td';
    if (!cells.length || columns.length > MOST_COLUMNS) return el('tr', {}, el(tag, { colspan: String(Math.max(1, before + names.length)) }, marked(text, ranges, Math.max(start, from), Math.min(end, to))));
    const placed = cells.filter(([column]) => column < 0).map(found => cell(tag, found));
    while (placed.length < before) placed.push(el(tag));
    for (const found of cells.filter(([column]) => column >= 0)) {
      while (placed.length < before + found[0]) placed.push(el(tag));
      placed.push(cell(tag, found));
    }
    return el('tr', {}, placed);
  };
  const heads = lines.filter(({ kind }) => kind === 'header').map(row);
  const named = !heads.length && names.some(Boolean);
  if (named) heads.push(el('tr', {}, Array.from({ length: before }, () => el('th')), names.map(name => el('th', { scope: 'col' }, upright(name)))));
  const captions = children.filter(({ kind }) => kind === 'caption').map(({ start, end }) => el('caption', {}, marked(text, ranges, start, end)));
  const body = el('tbody', {}, lines.filter(({ kind }) => kind !== 'header').map(row));
  return el('div', { class: 'scroll', tabindex: '0', role: 'group', 'aria-label': 'Table' }, el('table', {}, captions, heads.length ? el('thead', {}, heads) : null, body));
}

function codeOf(text, ranges, block, from, to) {
  const lines = [];
  for (let at = from; at < to;) {
    const end = text.indexOf('\n', at);
    const last = end < 0 || end > to ? to : end;
    lines.push(el('code', { class: 'line' }, marked(text, ranges, at, last), '\n'));
    at = last + 1;
  }
  return el('pre', { class: lines.length > 1 ? 'lines' : '', tabindex: '0', role: 'group', 'aria-label': 'Code' }, lines);
}

const paragraph = (text, ranges, block, from, to) => el('p', {}, marked(text, ranges, from, to));

const RENDER = {
  heading: (text, ranges, { level }, from, to) => el(`h${Math.min(6, level + 2)}`, { class: 'heading' }, marked(text, ranges, from, to)),
  paragraph,
  caption: paragraph,
  list: (text, ranges, { children }, from, to) => el('ul', { class: 'as-it-is' }, children.filter(({ start, end }) => end > from && start < to).map(item => RENDER[item.kind](text, ranges, item, Math.max(from, item.start), Math.min(to, item.end)))),
  item: itemOf,
  table: tableOf,
  code: codeOf,
};

function rendered(text, ranges, blocks, from, to) {
  return flowOf(text, ranges, treeOf(text, blocks), from, to);
}
