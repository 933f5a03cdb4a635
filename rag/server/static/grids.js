// Grids: the same questions to every document. A cell opens its quote in the document, and a person says whether it is right.

const CELL_STATES = {
  answered: 'answered', unsure: 'unsure', absent: 'not in the document', unreadable: 'unreadable', waiting: 'not asked yet',
  confirmed: 'confirmed', corrected: 'corrected', rejected: 'rejected',
};
const COLUMN_TYPES = { text: 'any answer', date: 'a date', amount: 'an amount', number: 'a number', yes_no: 'yes or no', list: 'a list' };
const FILES = { xlsx: 'Excel', csv: 'CSV', html: 'HTML', md: 'Markdown', jsonl: 'JSON lines', 'gold.jsonl': 'Gold questions (rated cells)', zip: 'Bundle with its proof' };
const ROW_KINDS = { documents: 'each document', folders: 'each folder' };
const ROWS_DRAWN = 200;
let grid = null;  // the open grid
let grids = [];
let gridsShown = 0;  // counts what is shown, so that an answer that comes late does not replace it
const sorting = { column: '', down: false, state: '', most: ROWS_DRAWN };
let lastRating = null;
const leavingGrids = new Set();  // whose deletion can still be undone

const rowsKind = rows => ROW_KINDS[rows] || rows.replace('metadata:', 'each ').replace('none', 'nothing else');
const stateOf = cell => cell.rating?.verdict || cell.state;
const keyOf = (row, cell) => `${row.row}\n${cell.column}`;
const gridAddress = name => `/v1/grids/${encodeURIComponent(name)}`;
const rowName = row => row.row === '*' ? 'All documents' : row.title || row.row;

async function loadGrids() {
  grids = (await getJson('/v1/grids')).grids.filter(one => !leavingGrids.has(one.name));
  const changed = grids.reduce((sum, one) => sum + one.changed, 0);
  $('changed-count').textContent = changed || '';
  showStanding();
  $('mode-grids').title = changed ? `${count(changed, 'answer')} changed since you looked` : 'Ask every document the same questions';
}

// The address says which grid is open, "" for the list, so that Back and a reload return to it.
function goToGrid(name = '') {
  history.pushState(null, '', `#${new URLSearchParams({ ...fromHere, grid: name })}`);
  showGrids(name);
}

async function showGrids(name) {
  const mine = ++gridsShown;
  closePane('side');
  grid = null;
  $('title').textContent = name ? upright(name) : 'The same questions to every document';
  $('grids').replaceChildren(el('p', { class: 'status busy' }, 'Opening'));
  scrollTo(0, 0);
  $('title').focus({ preventScroll: true });
  try {
    await (name ? loadGrid(name, mine) : loadGrids());
    if (mine !== gridsShown) return;
    $('grids').replaceChildren(...name ? gridParts() : gridList());
    if (name) { drawGrid(); followJob(mine); }
  } catch (error) {
    if (mine === gridsShown) $('grids').replaceChildren(problemBox(error, () => showGrids(name)));
  }
}

const tallyOfStates = counts => Object.entries(CELL_STATES).filter(([state]) => counts[state]).map(([state, words]) => `${counts[state].toLocaleString('en')} ${words}`).join(', ');

function gridList() {
  const rows = grids.map(one => el('li', {}, el('button', { type: 'button', class: 'card', on: { click: () => goToGrid(one.name) } },
    el('b', {}, one.name), one.changed ? el('span', {}, el('span', { class: 'verdict part' }, `${count(one.changed, 'answer')} changed since you looked`)) : null,
    el('span', { class: 'place' }, `${count(one.rows, 'row')}, ${count(one.columns, 'question')}: ${tallyOfStates(one.counts) || 'nothing asked yet'}`))));
  return [el('p', { class: 'soft' }, 'A grid asks each document the same questions. Every answer is quoted, and a click shows where it is from.',
    me.may_write || grids.length ? '' : ' This key may read grids, but not make them.'),
  me.may_write ? button('New grid', () => showForm(), { class: 'primary new-grid' }) : null, el('ul', { class: 'cards', 'aria-label': 'Grids' }, rows)].filter(Boolean);
}

async function loadGrid(name, mine) {
  const begun = performance.now();
  const loaded = await getJson(gridAddress(name));
  while (loaded.cells.length < loaded.rows) {
    const { cells } = await getJson(`${gridAddress(name)}?offset=${loaded.cells.length}`);
    if (!cells.length) break;
    loaded.cells.push(...cells);
  }
  if (mine === gridsShown) grid = { ...loaded, took: performance.now() - begun };
}

function gridParts() {
  const { filter, rows, refresh } = grid.definition;
  const { all_documents: all } = grid.definition;
  const about = [`${count(grid.rows, rows === 'documents' && !all ? 'document' : 'row')}, ${count(grid.columns, 'question')}`, inPlainWords(filter.map(one => one.replace(/^(\w+):/, '$1='))), rows.startsWith('metadata:') || rows === 'folders' ? `a row for ${rowsKind(rows)}` : '',
    refresh ? 'asked again after each sync' : ''].filter(Boolean).join(' · ');
  Object.assign(sorting, { column: '', down: false, state: '', most: ROWS_DRAWN });
  return [el('div', { class: 'grid-head' }, button('‹ All grids', () => goToGrid(), { class: 'quiet small' }), el('span', { class: 'actions', id: 'grid-actions' })),
    el('p', { class: 'soft small' }, about), el('div', { id: 'grid-notice' }), el('div', { id: 'grid-checked' }), el('div', { id: 'grid-progress' }),
    el('div', { class: 'states', id: 'grid-states', role: 'group', 'aria-label': 'Show rows with a cell that is' }), el('div', { id: 'grid-table' })];
}

function drawGrid() {
  drawActions();
  drawNotice();
  drawTable();
}

function drawActions() {
  const menu = el('details', { class: 'menu' }, el('summary', { class: 'small' }, 'Save as'), el('span', { class: 'menu-items' },
    Object.entries(FILES).map(([format, words]) => button(words, () => saveGrid(format), { class: 'quiet small' }))));
  $('grid-actions').replaceChildren(...[
    !me.may_write ? null : grid.job ? button('Stop', stopGrid, { class: 'danger small' }) : iconButton('again', grid.due ? `Ask ${count(grid.due, 'cell')}` : 'Refresh', refreshGrid, { class: `small${grid.due ? ' primary' : ''}` }),
    me.may_write ? iconButton('pencil', 'Edit', () => showForm(grid.definition), { class: 'small' }) : null, iconButton('check', 'Check the quotes', checkQuotes, { class: 'small' }), menu,
    me.may_write ? iconButton('bin', 'Delete', deleteGrid, { class: 'small danger' }) : null].filter(Boolean));
}

async function saveGrid(format) {
  closeMenu();
  const { name } = grid;
  try { downloadFile(`${name}.${format}`, await (await request(`${gridAddress(name)}/file?format=${format}${sorting.state ? `&state=${sorting.state}` : ''}`)).blob()); } catch (error) { gridProblem(error); }
}

async function checkQuotes() {
  const place = $('grid-checked');
  place.replaceChildren(el('p', { class: 'status busy' }, 'Checking each quote'));
  try { place.replaceChildren(proofView(await getJson(`${gridAddress(grid.name)}/verify`))); } catch (error) { place.replaceChildren(problemBox(error)); }
}

const gridProblem = error => $('grid-notice').replaceChildren(problemBox(error));

async function refreshGrid() {
  try {
    const { job } = await (await postJson(`${gridAddress(grid.name)}/refresh`, {})).json();
    grid.job = job;
    drawActions();
    $('grid-actions').querySelector('button').focus();
    followJob(gridsShown);
  } catch (error) { gridProblem(error); }
}

async function stopGrid() {
  try { await request(`/v1/jobs/${grid.job}`, { method: 'DELETE' }); } catch (error) { gridProblem(error); }
}

// Shows the cells as they are asked, until the job ends.
async function followJob(mine) {
  const { job, due } = grid;
  if (!job) return;
  const words = el('span', {});
  const bar = el('progress', { max: String(due || 1), 'aria-label': 'Cells that are asked' });
  $('grid-progress').replaceChildren(el('div', { class: 'upload' }, words, bar));
  say('Asking the cells.', { heard: true });
  while (mine === gridsShown && grid.job) {
    const asked = Math.max(0, due - grid.due);
    words.textContent = due ? `Asking: ${asked.toLocaleString('en')} of ${count(due, 'cell')}` : 'Asking';
    if (due) bar.value = asked;
    await pause(Math.max(700, 4 * grid.took));
    if (mine !== gridsShown) return;
    try { await loadGrid(grid.name, mine); } catch (error) { gridProblem(error); return; }
    if (mine === gridsShown) drawTable();
  }
  if (mine !== gridsShown) return;
  $('grid-progress').replaceChildren();
  say(grid.due ? 'Stopped.' : 'All cells are asked.', { heard: true });
  const focused = $('grid-actions').contains(document.activeElement);
  drawGrid();
  if (focused) $('grid-actions').querySelector('button').focus();
  loadGrids().catch(() => {});
  const { files } = await getJson(`/v1/jobs/${job}`).catch(() => ({ files: [] }));
  const failed = files.find(one => one.outcome === 'rejected' && one.detail !== 'cancelled');
  if (failed && mine === gridsShown) gridProblem(new Problem({ detail: failed.detail }));
}

function deleteGrid() {
  const { name } = grid;
  leavingGrids.add(name);
  goToGrid();
  undoable('The grid is deleted', async () => { await request(gridAddress(name), { method: 'DELETE', keepalive: true }).catch(error => say(error.message)); leavingGrids.delete(name); },
    () => { leavingGrids.delete(name); goToGrid(name); });
}

// What changed since somebody marked the changes as seen. To look at them marks nothing.
function drawNotice() {
  const list = el('div', {});
  let until = '';  // the last change that was shown; a later one is not marked
  const show = async () => {
    try {
      const { changes } = await getJson(`${gridAddress(grid.name)}/changes`);
      until = changes.length ? changes.map(change => change.at).sort().at(-1) : '';
      list.replaceChildren(el('ul', { class: 'cards', 'aria-label': 'Changes' }, changes.map(changeCard)));
    } catch (error) { list.replaceChildren(problemBox(error)); }
  };
  const seen = async () => {
    try { await postJson(`${gridAddress(grid.name)}/looked${until ? `?until=${encodeURIComponent(until)}` : ''}`, {}); await loadGrid(grid.name, gridsShown); drawNotice(); $('title').focus(); loadGrids(); } catch (error) { list.replaceChildren(problemBox(error)); }
  };
  $('grid-notice').replaceChildren(...grid.changed ? [el('div', { class: 'dissent changed' }, el('p', { class: 'row' }, el('b', {}, `${count(grid.changed, 'answer')} changed since you looked`),
    el('span', { class: 'actions' }, button('Show', show, { class: 'small edged' }), me.may_write ? button('Mark as seen', seen, { class: 'small edged' }) : null)), list)] : []);
}

function changeCard(change) {
  const line = grid.cells.find(one => one.row === change.row);
  const cell = line?.cells.find(one => one.column === change.column);
  const inside = changeWords(line ? rowName(line) : change.row, change);
  return el('li', {}, cell && change.after ? el('button', { type: 'button', class: 'card', on: { click: event => openCell(line, cell, event.currentTarget) } }, inside) : el('div', { class: 'card' }, inside));
}

// What the answer was, what it is, and why.
const changeWords = (name, { row, column, before, after, document_id: id, reason }) => [el('b', {}, [name, column].filter(Boolean).join(' › ')),
  before || after ? el('span', {}, before ? ['was ', el('s', {}, saidBy(before)), ', is '] : 'is ', el('b', {}, saidBy(after))) : null,
  el('span', { class: 'place' }, id && id !== row ? `${reason}: ${id}` : reason)];

// The start page says which answers of grids have changed since the last visit. Who may not write marks them as seen for this browser alone.
const MOST_CHANGES = 3;
const seenHere = name => `seen/${collection}/${name}`;
let standing = 0;

async function showStanding() {
  const mine = ++standing;
  const atHome = () => mode === 'ask' && !thread.turns.length;
  const changed = atHome() ? grids.filter(one => one.changed) : [];
  const all = await Promise.all(changed.map(async one => {
    const since = me.may_write ? '' : kept.get(seenHere(one.name), '');
    const { changes } = await getJson(`${gridAddress(one.name)}/changes${since ? `?since=${encodeURIComponent(since)}` : ''}`).catch(() => ({ changes: [] }));
    return [one.name, changes];
  }));
  if (mine !== standing) return;
  const some = all.filter(([, changes]) => changes.length);
  $('standing').hidden = !some.length || !atHome();
  $('standing').replaceChildren(el('h2', { id: 'standing-title', tabindex: '-1' }, 'Changed since your last visit'), ...some.map(standingOf));
}

function standingOf([name, changes]) {
  const seen = async () => {
    const until = changes.map(change => change.at).sort().at(-1);
    try {
      if (me.may_write) await postJson(`${gridAddress(name)}/looked?until=${encodeURIComponent(until)}`, {});
      else kept.set(seenHere(name), until);
      await loadGrids();
      ($('standing').hidden ? $('question') : $('standing-title')).focus();
    } catch (error) { say(error.message); }
  };
  const open = () => { mode = 'grids'; goHome(); goToGrid(name); };
  const rows = [...changes].reverse().slice(0, MOST_CHANGES);
  const opens = changes.length > rows.length ? `Show all ${changes.length.toLocaleString('en')}` : 'Open grid';
  return el('div', { class: 'standing' }, el('div', { class: 'row' }, el('p', {}, el('b', {}, name), ` · ${count(changes.length, 'answer')}`),
    el('span', { class: 'actions' }, button(opens, open, { class: 'small edged', 'aria-label': `${opens}: ${name}` }), button('Mark as seen', seen, { class: 'small edged', 'aria-label': `Mark as seen: ${name}` }))),
  el('ul', { class: 'cards', 'aria-label': `Changes of ${name}` }, rows.map(change => el('li', {}, el('div', { class: 'card' }, changeWords(change.row === '*' ? 'All documents' : nameOf(change.row), change))))));
}

function saidBy(cell) {
  if (!cell) return 'without an answer';
  const words = cell.rating && cell.rating.verdict !== 'confirmed' ? cell.rating.value : cell.value;
  return cell.state === 'answered' ? words : words ? `${words} (unsure)` : CELL_STATES[cell.state];
}

// The rows that have a cell in the chosen state, sorted by a column; rows without a value come last.
function rowsShown() {
  const { column, down, state } = sorting;
  const rows = grid.cells.filter(row => !state || row.cells.some(cell => stateOf(cell) === state));
  if (!column) return rows;
  const value = row => {
    const cell = row.cells.find(one => one.column === column);
    return column === '*' ? rowName(row) : !cell.shown ? null : (!cell.rating && (cell.typed?.number ?? cell.typed?.iso)) || cell.shown;
  };
  const order = (a, b) => typeof a === 'number' && typeof b === 'number' ? a - b : String(a).localeCompare(String(b), 'en', { numeric: true });
  return rows.map(row => [value(row), row]).sort(([a], [b]) => a === null || b === null ? (a === null) - (b === null) : (down ? -1 : 1) * order(a, b)).map(([, row]) => row);
}

function drawTable() {
  const tally = {};
  grid.cells.flatMap(row => row.cells).forEach(cell => { tally[stateOf(cell)] = (tally[stateOf(cell)] || 0) + 1; });
  if (!tally[sorting.state]) sorting.state = '';
  const focused = document.activeElement?.dataset?.key;
  const choose = state => { sorting.state = state; drawTable(); };
  $('grid-states').replaceChildren(...[['', 'all'], ...Object.entries(CELL_STATES).filter(([state]) => tally[state])].map(([state, words]) =>
    button([words, state ? ' ' : null, state ? el('span', { class: 'count' }, tally[state].toLocaleString('en')) : null], () => choose(state), { class: 'mode', 'data-key': `state ${state}`, 'aria-pressed': String(state === sorting.state) })));
  const rows = rowsShown();
  const body = rows.slice(0, sorting.most).map(row => el('tr', { role: 'row' }, el('th', { scope: 'row', role: 'rowheader' }, rowHead(row)), row.cells.map(cell => el('td', { role: 'cell', 'data-name': cell.column }, cellView(row, cell)))));
  const table = el('table', { class: 'grid', role: 'table', 'aria-label': grid.name, on: { keydown: moveInGrid } },
    el('thead', { role: 'rowgroup' }, el('tr', { role: 'row' }, columnHead('*', grid.definition.rows === 'documents' ? 'Document' : 'Row', ''), grid.definition.columns.map(one => columnHead(one.name, one.name, one.question)))),
    el('tbody', { role: 'rowgroup' }, body));
  const scrolled = $('grid-table').firstChild;
  const [top, left] = scrolled ? [scrolled.scrollTop, scrolled.scrollLeft] : [0, 0];
  const scroll = el('div', { class: 'scroll grid-scroll', tabindex: '0', role: 'group', 'aria-label': 'Grid' }, table);
  $('grid-table').replaceChildren(scroll, ...rows.length > sorting.most ? [button(`Show more (${(rows.length - sorting.most).toLocaleString('en')})`, () => { sorting.most += ROWS_DRAWN; drawTable(); }, { class: 'more' })] : []);
  if (!grid.cells.length) $('grid-table').replaceChildren(el('p', { class: 'soft' }, 'No document matches this grid any more.'));
  [scroll.scrollTop, scroll.scrollLeft] = [top, left];
  const again = key => key && [...$('grids').querySelectorAll('[data-key]')].find(one => one.dataset.key === key);
  if (focused) again(focused)?.focus({ preventScroll: true });
  if (cameFrom.side && !cameFrom.side.isConnected) cameFrom.side = again(cameFrom.side.dataset.key);
  if (cameFrom.side?.matches('.cell')) cameFrom.side.setAttribute('aria-current', 'true');
}

function columnHead(column, name, question) {
  const own = sorting.column === column;
  const sort = () => { sorting.down = own && !sorting.down; sorting.column = column; drawTable(); };
  return el('th', { scope: 'col', role: 'columnheader', 'aria-sort': own ? (sorting.down ? 'descending' : 'ascending') : 'none' },
    button([name, el('span', { class: 'way', 'aria-hidden': 'true' }, own ? (sorting.down ? '↓' : '↑') : '↕')], sort, { class: 'sort', 'data-key': `sort ${column}`, title: `Sort by ${name}` }), question && question !== name ? el('span', { class: 'asked-of soft small' }, question) : null);
}

function rowHead(row) {
  if (grid.definition.rows !== 'documents' || row.row === '*') return el('span', { class: 'row-name' }, rowName(row));
  return el('button', { type: 'button', class: 'row-name', 'data-key': `row ${row.row}`, on: { click: event => openCitation({ document_id: row.row, title: row.title }, event.currentTarget, []) } },
    row.title || row.row, nameOf(row.row) === row.title ? null : el('span', { class: 'soft small' }, nameOf(row.row)));
}

function cellView(row, cell) {
  if (cell.state === 'waiting') return el('span', { class: 'cell soft' }, grid.job ? 'asking …' : 'not asked yet');
  const own = stateOf(cell) === sorting.state ? ' chosen' : '';
  return el('button', { type: 'button', class: `cell${own}`, 'data-key': keyOf(row, cell), on: { click: event => openCell(row, cell, event.currentTarget) } }, stateView(cell));
}

// A value with its state; a guess says that it is one.
function stateView(cell) {
  const state = stateOf(cell);
  const sure = el('span', { class: 'soft small' }, percent(cell.probability));
  const more = cell.addition ? el('span', { class: 'soft small' }, ` (${cell.addition})`) : null;
  const value = cell.value ? el('span', { class: 'cell-value' }, cell.value, more) : el('span', { class: 'soft' }, CELL_STATES[cell.state]);
  const said = { confirmed: 'good', corrected: 'good', rejected: 'bad' }[state];
  if (said) return [state === 'rejected' ? el('s', {}, value) : state === 'corrected' ? el('span', { class: 'cell-value' }, cell.shown, more) : value, el('span', { class: `verdict ${said}` }, state)];
  return state === 'answered' ? [value, sure] : state === 'unsure' ? [value, el('span', {}, el('span', { class: 'verdict part' }, 'best guess'), ' ', sure)] : value;
}

function moveInGrid(event) {
  const by = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
  const from = event.target.closest('td, th');
  if (!by || !from) return;
  const next = event.currentTarget.rows[from.parentNode.rowIndex + by[1]]?.cells[from.cellIndex + by[0]]?.querySelector('button');
  if (next) { event.preventDefault(); next.focus(); }
}

const citationOf = quote => ({
  document_id: quote.document_id, document_sha256: quote.sha256, title: quote.title, page: quote.page, headings: quote.headings,
  cited_text: quote.sentence, start_char_index: quote.sentence_start, end_char_index: quote.sentence_end, highlight: { start_char_index: quote.start, end_char_index: quote.end },
});

// A cell's quote in its document, and above it what it says and what a person says of it.
function openCell(row, cell, from) {
  const above = el('div', { class: 'cell-panel', role: 'group', 'aria-label': `${rowName(row)}, ${cell.column}` });
  drawPanel(above, row, cell);
  const citations = cell.quotes.map(quote => ({ ...citationOf(quote), above }));
  if (citations.length) openCitation(citations[0], from, citations);
  else if (row.row !== '*' && grid.definition.rows === 'documents') openCitation({ document_id: row.row, title: row.title, above }, from, []);
  else {
    const [head, heading] = paneHead('side', rowName(row), '');
    openPane('side', rowName(row), from, head, above);
    heading.focus({ preventScroll: true });
  }
}

function drawPanel(panel, row, cell) {
  const { question } = grid.definition.columns.find(one => one.name === cell.column) || { question: cell.column };
  const read = cell.typed && cell.value && typed(cell.typed, cell.value);
  const was = stateOf(cell) === 'corrected' ? el('span', { class: 'soft small' }, 'The grid said: ', cell.value || CELL_STATES[cell.state]) : null;
  const rateAs = async verdict => { await rateCell(panel, row, cell, verdict === cell.rating?.verdict ? 'withdrawn' : verdict); };
  const rating = (name, words, verdict, press) => iconButton(name, words, press, { class: 'small edged', 'aria-pressed': String(cell.rating?.verdict === verdict) });
  const buttons = me.may_write ? el('div', { class: 'actions', role: 'group', 'aria-label': 'Is this right?' },
    rating('up', 'Confirm', 'confirmed', () => rateAs('confirmed')), rating('pencil', 'Correct', 'corrected', () => correctCell(panel, row, cell)), rating('down', 'Reject', 'rejected', () => rateAs('rejected'))) : null;
  panel.replaceChildren(...[el('p', { class: 'soft small' }, question), el('p', { class: 'cell-says' }, stateView(cell), read ? el('span', { class: 'typed' }, `Read as ${read}`) : null, was), buttons].filter(Boolean));
}

function correctCell(panel, row, cell) {
  const box = el('input', { type: 'text', 'aria-label': 'The right answer', maxlength: '10000', required: '' });
  box.value = cell.shown;
  const back = () => { drawPanel(panel, row, cell); panel.querySelector('button')?.focus(); };
  const form = el('form', { class: 'correction', on: { submit: event => { event.preventDefault(); if (box.value.trim()) rateCell(panel, row, cell, 'corrected', box.value.trim()); },
    keydown: event => { if (event.key === 'Escape') { event.stopPropagation(); back(); } } } },
  box, el('button', { type: 'submit', class: 'primary small' }, 'Save'), button('Cancel', back, { class: 'quiet small' }));
  panel.lastChild.replaceWith(form);
  box.select();
}

// Keeps what a person says of a cell, which can be undone.
async function rateCell(panel, row, cell, verdict, value = '', undone = false) {
  const { name } = grid;
  const before = cell.rating;
  try {
    const rated = await (await postJson(`${gridAddress(name)}/ratings`, { row: row.row, column: cell.column, verdict, value })).json();
    Object.assign(cell, rated);
    const line = grid?.name === name && grid.cells.find(one => one.row === row.row)?.cells.find(one => one.column === cell.column);
    if (line) { Object.assign(line, rated); drawTable(); }
    const focused = panel.contains(document.activeElement);
    drawPanel(panel, row, cell);
    if (focused) (panel.querySelector('[aria-pressed=true]') || panel.querySelector('button')).focus();
    const words = verdict === 'withdrawn' ? 'The rating is taken back' : `${verdict[0].toUpperCase()}${verdict.slice(1)}: ${rowName(row)}, ${cell.column}`;
    lastRating?.commit();  // undoing one is enough: a rating can be taken back at any time
    if (!undone) lastRating = undoable(words, () => {}, () => rateCell(panel, row, cell, before?.verdict || 'withdrawn', before?.value || '', true));
  } catch (error) { panel.append(problemBox(error)); }
}

// The form of a new grid, or of one that is changed; `isNew` if a question proposes it.
function showForm(proposed = null, isNew = false) {
  const definition = isNew ? null : proposed;
  const mine = ++gridsShown;
  const was = proposed || { name: '', columns: [], filter: tickedConditions(), rows: 'documents', all_documents: false, refresh: '' };
  const field = (label, input) => el('label', {}, label, input);
  const text = (value, more = {}) => { const box = el('input', { type: 'text', ...more }); box.value = value; return box; };
  const tickOf = (label, on) => { const box = el('input', { type: 'checkbox' }); box.checked = on; return [box, el('label', { class: 'tick' }, box, el('span', {}, label))]; };
  const choice = (options, value, label) => { const box = el('select', { 'aria-label': label }, Object.entries(options).map(([name, words]) => el('option', { value: name }, words))); box.value = value; return box; };
  const name = text(was.name, { required: '', maxlength: '100', placeholder: 'e.g. leases', ...definition ? { readonly: '' } : {} });
  const questions = el('ol', { class: 'plain questions' });
  const addQuestion = (column = { question: '', name: '', type: 'text' }) => {
    const row = el('li', {}, text(column.question, { 'aria-label': 'Question', placeholder: 'When does the lease end?', class: 'question', maxlength: '1000' }),
      text(column.name === column.question ? '' : column.name, { 'aria-label': 'Short name, if you like', placeholder: 'Short name', class: 'name', maxlength: '100' }), choice(COLUMN_TYPES, column.type, 'Kind of answer'),
      iconButton('bin', 'Remove', () => { row.remove(); if (!questions.firstChild) addQuestion(); questions.querySelector('input').focus(); }, { class: 'bare', 'aria-label': 'Remove the question' }));
    questions.append(row);
    return row;
  };
  (was.columns.length ? was.columns : [undefined]).forEach(column => addQuestion(column));
  const filter = text(was.filter.join(', '), { spellcheck: 'false', placeholder: 'source=leases, type=pdf' });
  const rows = choice({ ...ROW_KINDS, [was.rows]: rowsKind(was.rows) }, was.rows, 'A row for');
  const [all, allRow] = tickOf('One more row that asks all documents', was.all_documents);
  const [sync, syncRow] = tickOf('Ask again after each sync', was.refresh === 'on_sync');
  const wrong = el('div', {});
  const submit = async event => {
    event.preventDefault();
    const columns = [...questions.children].map(row => ({ question: row.querySelector('.question').value.trim(), name: row.querySelector('.name').value.trim(), type: row.querySelector('select').value }))
      .filter(one => one.question).map(one => ({ ...one, name: one.name || one.question.slice(0, 100) }));
    try {
      if (!columns.length) throw new Problem({ detail: 'the grid has no question', hint: 'add at least one' });
      if (!definition && grids.some(one => one.name === name.value.trim())) throw new Problem({ detail: `there is a grid “${name.value.trim()}”`, hint: 'choose another name, or edit that one' });
      await postJson('/v1/grids', { name: name.value.trim(), columns, filter: conditionsIn(filter.value), rows: rows.value, all_documents: all.checked, refresh: sync.checked ? 'on_sync' : '' });
      if (mine === gridsShown) goToGrid(name.value.trim());
    } catch (error) { wrong.replaceChildren(problemBox(error)); }
  };
  const form = el('form', { class: 'grid-form', on: { submit } }, field('Name of the grid', name),
    el('fieldset', {}, el('legend', {}, 'Questions to each document'), questions, iconButton('add', 'Add a question', () => addQuestion().querySelector('input').focus(), { class: 'small edged' })),
    field('Only documents with (separate conditions with commas)', filter),
    el('details', { class: 'narrow' }, el('summary', {}, 'Options'), el('div', { class: 'fields' }, field('A row for', rows), el('div', {}, allRow), el('div', {}, syncRow))), wrong,
    el('div', { class: 'row end' }, button('Cancel', () => showGrids(definition ? was.name : ''), { class: 'quiet' }), el('button', { type: 'submit', class: 'primary' }, 'Ask')));
  closePane('side');
  $('title').textContent = definition ? upright(`Edit ${was.name}`) : 'New grid';
  $('grids').replaceChildren(form);
  (definition ? questions.querySelector('input') : name).focus();
}
