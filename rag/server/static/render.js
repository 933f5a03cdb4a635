// A document's text as its author meant it: headings, lists, tables, code. The words stay the same, so a citation's marks fit.

const ITEM = /^(\s*)([-*\u2022\u2013]|\d{1,3}[.)])\s+(?=\S)/;
const CODE = /^(?: {2,}|\t|>>> |\.\.\. |\$ |# \S+=)/;

// Parsers leave out a fence's marks: lines with many of code's signs, the last of which ends no sentence, were code.
function wasCode(words) {
  const signs = words.match(/[{}()[\];=<>/\\$#_|&@*]|--/g) || [];
  return signs.length > Math.max(2, words.length * .04) && !/[.!?:,]\s*$/.test(words);
}

// [[from, to], …] of the lines in text[from:to], without their ends.
function linesOf(text, from, to) {
  const found = [];
  for (let at = from; at < to;) {
    const end = text.indexOf('\n', at);
    const last = end < 0 || end > to ? to : end;
    found.push([at, last]);
    at = last + 1;
  }
  return found;
}

const labelsOf = words => words.split(/\s*\|\s*/).map(cell => cell.split(': ')[0]).join('|');

// Blocks of text[from:to]; `headings` maps where a heading's line begins to its level.
function blocksOf(text, from, to, headings) {
  const blocks = [];
  let open = null, empty = [];
  const add = (kind, line) => {
    if (!open || open.kind !== kind) blocks.push(open = { kind, lines: [] });
    if (kind === 'code') open.lines.push(...empty);
    open.lines.push(line);
    empty = [];
  };
  for (const line of linesOf(text, from, to)) {
    const words = text.slice(...line);
    const item = ITEM.exec(words);
    if (!words.trim()) { empty.push(line); continue; }
    const table = !item && /(?:^|\s)\|\s/.test(words);
    const goesOn = open && (open.kind === 'list' || open.kind === 'code' || (open.kind === 'table' && table && labelsOf(words) === labelsOf(text.slice(...open.lines.at(-1)))));
    if (empty.length && !goesOn) open = null;
    if (headings.has(line[0])) { open = null; blocks.push({ kind: 'heading', level: headings.get(line[0]), lines: [line] }); empty = []; }
    else if (item) add('list', line);
    else if (open && open.kind === 'list' && /^\s/.test(words)) add('list', line);
    else if (table) add('table', line);
    else if (CODE.test(words)) add('code', line);
    else { if (empty.length) open = null; add('text', line); }
  }
  return asCode(text, blocks);
}

// A text that opens a block of code: "for old in copies[:-keep]:" and indented lines right below it.
function goesOnAsCode(text, last, { kind, lines }) {
  if (kind !== 'code' || !['text', 'code'].includes(last.kind) || last.lines.at(-1)[1] + 1 !== lines[0][0]) return false;
  const words = text.slice(last.lines[0][0], last.lines.at(-1)[1]);
  return last.kind === 'code' || (/[:{([,]$/.test(words) && /[=()[\]{};]/.test(words));
}

function asCode(text, blocks) {
  for (const block of blocks) if (block.kind === 'text' && wasCode(text.slice(block.lines[0][0], block.lines.at(-1)[1]))) block.kind = 'code';
  return blocks.reduce((joined, block) => {
    const last = joined.at(-1);
    if (last && goesOnAsCode(text, last, block)) Object.assign(last, { kind: 'code', lines: [...last.lines, ...block.lines] });
    else joined.push(block);
    return joined;
  }, []);
}

const piece = (text, ranges, [from, to]) => marked(text, ranges, from, to);

function listOf(text, ranges, lines) {
  const list = el('ul', { class: 'as-it-is' });
  for (const [from, to] of lines) {
    const item = ITEM.exec(text.slice(from, to));
    if (item) {
      const row = el('li', {}, el('span', { class: 'bullet' }, /\d/.test(item[2]) ? item[2] : '•'), el('span', {}, piece(text, ranges, [from + item[0].length, to])));
      row.style.marginLeft = `${Math.min(item[1].length, 12) * .6}em`;
      list.append(row);
    } else if (list.lastChild) list.lastChild.lastChild.append('\n', ...piece(text, ranges, [from, to]));
  }
  return list;
}

// The cells of a line "a | b | c", as [from, to].
function cellsOf(text, [from, to]) {
  const cells = [];
  let at = from;
  for (const match of text.slice(from, to).matchAll(/\s*\|\s*/g)) {
    cells.push([at, from + match.index]);
    at = from + match.index + match[0].length;
  }
  cells.push([at, to]);
  return cells.filter(([a, b], i) => b > a || (i > 0 && i < cells.length - 1));
}

// Rows of "Name: value | Name: value" have their names in common; these become the head.
function tableOf(text, ranges, lines) {
  const rows = lines.map(line => cellsOf(text, line));
  const label = ([a, b]) => /^([^:]{1,60}): (?=\S)/.exec(text.slice(a, b));
  const named = rows.filter(row => row.length > 1 && row.every(cell => label(cell)));
  const names = named.length ? named[0].map(cell => label(cell)[1]) : [];
  const same = named.every(row => row.length === names.length && row.every((cell, i) => label(cell)[1] === names[i]));
  const titled = rows.length > 1 && named.length === rows.length - 1 && rows[0].map(at => text.slice(...at)).join('\n') === names.join('\n');
  const labelled = same && names.length > 1 && (titled || named.length === rows.length);
  const cell = (tag, at, cut) => el(tag, tag === 'th' ? { scope: 'col' } : {}, piece(text, ranges, [at[0] + cut, at[1]]));
  const body = rows.slice(labelled && titled ? 1 : 0).map(row => el('tr', {}, row.map(at => cell('td', at, labelled ? label(at)[0].length : 0))));
  const heads = !labelled ? null : titled ? rows[0].map(at => cell('th', at, 0)) : names.map(name => el('th', { scope: 'col' }, name));
  const head = heads && el('thead', {}, el('tr', {}, heads));
  return el('div', { class: 'scroll', tabindex: '0', role: 'group', 'aria-label': 'Table' }, el('table', {}, head, el('tbody', {}, body)));
}

function joinedLines(text, ranges, lines) {
  return lines.flatMap((line, i) => [i ? '\n' : '', ...piece(text, ranges, line)]);
}

const RENDER = {
  heading: (text, ranges, { level, lines }) => el(`h${Math.min(6, level + 2)}`, { class: 'heading' }, piece(text, ranges, lines[0])),
  list: (text, ranges, { lines }) => listOf(text, ranges, lines),
  table: (text, ranges, { lines }) => tableOf(text, ranges, lines),
  code: (text, ranges, { lines }) => el('pre', { class: lines.length > 1 ? 'lines' : '', tabindex: '0', role: 'group', 'aria-label': 'Code' }, lines.map(line => el('code', { class: 'line' }, piece(text, ranges, line), '\n'))),
  text: (text, ranges, { lines }) => el('p', {}, joinedLines(text, ranges, lines)),
};

function rendered(text, ranges, headings, from, to) {
  return blocksOf(text, from, to, headings).map(block => RENDER[block.kind](text, ranges, block));
}
