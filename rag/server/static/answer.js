// An answer as a person reads it, in the form that its question wants.

const LEAST = 0.1;  // candidates below this are not shown

const place = cited => el('span', { class: 'place' }, el('b', {}, cited.title), partsOf(cited).map(part => ` › ${part}`).join(''));

// What a reference cites: shown beside it while the pointer or the keyboard is on it.
const cites = new WeakMap();
const citing = (element, citation) => { cites.set(element, citation); return element; };

function showPreview(event) {
  const from = event.target.closest?.('.ref, .link');
  const citation = from && cites.get(from);
  if (!citation) { hidePreview(); return; }
  const box = $('preview');
  box.replaceChildren(place(citation), el('p', {}, sentenceOf(citation)));
  box.hidden = false;
  from.setAttribute('aria-describedby', 'preview');
  const [at, own] = [from.getBoundingClientRect(), box.getBoundingClientRect()];
  box.style.left = `${Math.max(8, Math.min(at.left, innerWidth - own.width - 8))}px`;
  box.style.top = `${at.bottom + 6 + own.height > innerHeight ? Math.max(8, at.top - own.height - 6) : at.bottom + 6}px`;
}

function hidePreview() {
  if ($('preview').hidden) return false;
  $('preview').hidden = true;
  document.querySelectorAll('[aria-describedby=preview]').forEach(one => one.removeAttribute('aria-describedby'));
  return true;
}

for (const name of ['mouseover', 'focusin']) addEventListener(name, showPreview);
addEventListener('scroll', hidePreview, { capture: true, passive: true });
addEventListener('click', hidePreview);

const linkTo = (citation, open, words) => citing(el('a', { class: 'link', href: linkToPlace(citation), on: { click: event => { event.preventDefault(); open(citation, event.currentTarget); } } }, words), citation);

const reference = (citation, open) => citing(button(String(citation.index), event => open(citation, event.currentTarget),
  { class: 'ref', 'data-citation': citation.index, 'aria-label': `Open citation ${citation.index}` }), citation);

const citationCard = (citation, open) => el('li', {}, el('button', { type: 'button', class: 'card', on: { click: event => open(citation, event.currentTarget) } },
  el('span', { class: 'number' }, `[${citation.index}]`), place(citation), el('span', { class: 'quote' }, sentenceOf(citation))));

// Another answer with its place and its sentence, unless the answer is all of it; `sure` gives how likely it is.
function alternativeCard(other, open, sure = true) {
  const citation = other.citations[0];
  if (!citation) return null;
  const more = other.documents > 1 ? ` · in ${count(other.documents, 'document')}` : '';
  const whole = citation.cited_text.trim() === other.text.trim();
  return el('li', {}, el('button', { type: 'button', class: 'card alternative', on: { click: event => open(citation, event.currentTarget) } },
    el('span', { class: whole ? 'says whole' : 'says' }, other.text, sure ? el('span', { class: 'soft small' }, ` ${percent(other.confidence)}`) : null),
    el('span', { class: 'place' }, place(citation), !sure && citation.date ? ` · ${citation.date}` : '', more), whole ? null : el('span', { class: 'quote' }, sentenceOf(citation))));
}

const wholeHit = hit => ({ document_id: hit.document_id, title: hit.title, start_char_index: hit.start_char_index, end_char_index: hit.end_char_index });

function hitCard(hit, open, question = '') {
  return el('li', {}, el('button', { type: 'button', class: 'card nearest', on: { click: event => open(wholeHit(hit), event.currentTarget) } },
    place(hit), el('span', { class: 'quote' }, wordsMarked(bodyOf(hit), question))));
}

// A passage without the title and headings it begins with: its card names them.
function bodyOf(hit) {
  const named = [hit.title, ...(hit.headings || [])];
  const lines = hit.text.split('\n');
  while (lines.length > 1 && (!lines[0].trim() || named.includes(lines[0].trim()))) lines.shift();
  return lines.filter(line => line.trim()).join('\n');
}

const cards = (title, items) => items.length ? [el('h3', {}, title), el('ol', { class: 'cards' }, items)] : [];

function gauge(share) {
  const bar = el('i');
  bar.style.width = percent(share);
  return el('span', { class: 'gauge', 'aria-hidden': 'true' }, bar);
}

// The pieces of an answer, each with its citation; of a service that does not give pieces, none.
function piecesOf(answer) {
  return (answer.pieces || []).map(piece => {
    const given = piece.citation && typeof piece.citation === 'object' ? piece.citation : null;
    const citation = given || answer.citations[(piece.citation || piece.index || 0) - 1] || null;
    return { ...piece, citation, text: piece.text ?? citation?.highlight?.text ?? '' };
  });
}

const refOf = (piece, open) => piece.citation ? reference(piece.citation, open) : null;
const NUMBERED = /^\s*\(?\w{1,3}[.)]\s/;
const SHORT = 12;  // characters of a cell that is kept in one line, such as a date
const BULLET = /^\s*(?:[-*\u2022\u2013]\s+)/;

const FORMS = {
  sentences: (pieces, open) => pieces.map(piece => el('p', { class: 'piece' }, piece.gap ? el('span', { class: 'soft' }, '[…] ') : null, piece.text, refOf(piece, open))),
  list(pieces, open) {
    const leads = piece => piece === pieces[0] && pieces.length > 1 && piece.text.trimEnd().endsWith(':') && !BULLET.test(piece.text);  // "Three kinds:"
    const heads = pieces.filter(piece => piece.heading || leads(piece));
    const items = pieces.filter(piece => !heads.includes(piece));
    return [heads.map(piece => el('p', { class: 'piece head' }, piece.text, refOf(piece, open))),
      el('ul', { class: items.filter(piece => NUMBERED.test(piece.text)).length > items.length / 2 ? 'items steps' : 'items' }, items.map(piece => el('li', {}, piece.text.replace(BULLET, ''), refOf(piece, open))))];
  },
  steps(pieces, open) {
    const [heads, list] = FORMS.list(pieces, open);
    list.classList.add('steps');
    return [heads, list];
  },
  comparison(pieces, open) {
    const sides = new Map();
    pieces.forEach((piece, i) => { const side = piece.label || piece.citation?.title || String(i); sides.set(side, [...(sides.get(side) || []), piece]); });
    return el('div', { class: 'sides' }, [...sides].map(([side, its]) => el('div', { class: 'a-side' }, el('h3', {}, side),
      its.map(piece => el('p', { class: 'piece' }, piece.citation ? sentenceOf(piece.citation) : piece.text, refOf(piece, open))))));
  },
  overview: (pieces, open) => pieces.map((piece, i) => piece.heading && i && piece.text === pieces[i - 1].text ? null : el('p', { class: piece.heading ? 'piece head' : 'piece' }, piece.text, refOf(piece, open))),
  catalogue: (pieces, open) => el('ul', { class: 'items documents-found' }, pieces.map(piece => el('li', {},
    piece.citation ? linkTo(piece.citation, open, piece.label || piece.citation.title) : piece.text,
    piece.citation && piece.text !== (piece.label || piece.citation.title) ? el('span', { class: 'soft small' }, ` ${piece.text}`) : null))),
};

// Pieces that are rows of one table are shown as that table, under the names of its columns, which have the units.
async function tabulate(view, pieces, open) {
  const [first] = pieces;
  if (!pieces.every(piece => piece.citation && piece.citation.document_id === first.citation.document_id) || !pieces.some(piece => piece.text.includes(' | '))) return;
  const places = pieces.map(({ citation: { start_char_index: start, end_char_index: end } }) => ({ start, end }));
  const range = new URLSearchParams({ document: first.citation.document_id, start: Math.min(...places.map(one => one.start)), end: Math.max(...places.map(one => one.end)) });
  const blocks = await getBlocks(range).catch(() => []);
  const rows = pieces.map((piece, i) => blocks.find(({ kind, start, end }) => ['row', 'header'].includes(kind) && start === places[i].start && end === places[i].end));
  const tables = new Set(rows.map(row => row?.parent));
  const { columns = [] } = blocks[[...tables][0]] || {};
  if (tables.size !== 1 || tables.has(undefined) || !columns.length) return;
  const cellOf = (piece, row, column) => {
    const found = row.cells.find(([own]) => own === column);
    if (!found) return el('td');
    const { start_char_index: start, highlight, cited_text: text } = piece.citation;
    const whole = highlight.start_char_index === start && highlight.end_char_index === piece.citation.end_char_index;
    const [from, to, a, b] = [found[1], found[2], highlight.start_char_index, highlight.end_char_index].map(at => units(text, [Math.max(0, at - start)])[0]);
    return el('td', to - from <= SHORT ? { class: 'short' } : {}, marked(text, whole ? [] : [[a, b, 'mark']], from, to));
  };
  const lines = pieces.map((piece, i) => rows[i].kind === 'header' ? null : el('tr', {}, columns.map((_, column) => cellOf(piece, rows[i], column)), el('td', { class: 'refs' }, piece.ref === false ? null : refOf(piece, open))));
  view.replaceChildren(el('div', { class: 'scroll', tabindex: '0', role: 'group', 'aria-label': 'Table' }, el('table', {}, el('thead', {}, el('tr', {}, columns.map(name => el('th', { scope: 'col' }, name)), el('td', { class: 'refs' }))), el('tbody', {}, lines))));
}

const tabulated = (view, pieces, open) => { tabulate(view, pieces, open); return view; };

// Where words are from: each document once, with its heading if all are from there.
function sourcesOf(citations, open) {
  const documents = Map.groupBy(citations.filter(Boolean), citation => citation.document_id);
  const named = [...documents.values()].map(those => [those.every(one => placeOf(one) === placeOf(those[0])) ? placeOf(those[0]) : those[0].title, those[0]]);
  return named.length ? el('p', { class: 'soft small from' }, 'From ', named.map(([words, citation], i) => [i ? ', ' : '', linkTo(citation, open, words)])) : null;
}

// The citations, each sentence once: it may be cited for "2007" and for "the second half of 2007".
const places = ({ citations }) => citations.filter((one, i) => i === citations.findIndex(other => other.document_id === one.document_id && other.start_char_index === one.start_char_index));

const LEAD = /^(Yes|No|On a condition)\b/;
const isPolar = ({ answer, form }) => form === 'yes_no' && LEAD.test(answer);

// Whether the words are shown within their sentence: not if they are all of it.
const isInside = answer => {
  const first = answer.citations[0];
  return !!first && !isPolar(answer) && first.cited_text.trim() !== answer.answer.trim();
};

// The answer's words, and below them the sentence or pieces that say so.
function body(answer, open) {
  const pieces = piecesOf(answer);
  const polar = isPolar(answer);
  if (answer.grid) return [el('p', { class: 'words small-words' }, answer.answer.split('\n')[0]), documentsSay(answer, open)];
  if (FORMS[answer.form] && pieces.length) {
    const begin = answer.answer.split('\n')[0];
    const repeated = pieces.some(piece => [piece.text, piece.label].includes(begin) || begin.startsWith(piece.text));
    const lead = answer.form !== 'catalogue' ? '' : repeated ? (pieces.length > 1 ? count(pieces.length, 'document') : '') : begin;
    return [lead ? el('p', { class: 'words small-words' }, lead) : null, tabulated(el('div', { class: `pieces ${answer.form}` }, FORMS[answer.form](pieces, open)), pieces, open), answer.form === 'catalogue' ? null : sourcesOf(pieces.map(piece => piece.citation), open),
      answer.more ? el('p', { class: 'soft' }, `… and ${answer.more.toLocaleString('en')} more`, pieces.at(-1).citation ? [' in ', linkTo(pieces.at(-1).citation, open, pieces.at(-1).citation.title)] : null) : null];
  }
  const first = answer.citations[0];
  const words = el('p', { class: 'words' }, polar ? `${LEAD.exec(answer.answer)[0]}.` : answer.answer, polar && pieces.length ? null : places(answer).map(citation => reference(citation, open)));
  if (polar && pieces.length) return [words, FORMS.sentences(pieces, open), sourcesOf(pieces.map(piece => piece.citation), open)];
  return [words, isInside(answer) ? tabulated(el('div', { class: 'inside' }, sentenceOf(first)), [{ text: first.cited_text, citation: first, ref: false }], open) : null, first ? sourcesOf([first], open) : null];
}

// What the documents of a small grid say, one by one: those that count first, each opening at its quote; the others below.
const OUTCOMES = { counted: 'counted', other: 'something else', unsure: 'unsure', silent: 'silent', unreadable: 'unreadable', waiting: 'not asked in time' };

function gridRow(row, open) {
  const cells = row.cells.map(({ citation, value, state }) => {
    const words = value || (state === 'absent' ? 'says nothing' : '');
    return el('td', {}, citation && words ? linkTo(citation, open, words) : words);
  });
  return el('tr', { 'data-outcome': row.outcome }, el('th', { scope: 'row' }, row.title), cells, el('td', { class: 'soft' }, OUTCOMES[row.outcome]));
}

const gridTable = (grid, rows, open, label) => el('div', { class: 'scroll', tabindex: '0', role: 'group', 'aria-label': label }, el('table', {},
  el('thead', {}, el('tr', {}, el('th', { scope: 'col' }, 'Document'), grid.columns.map(({ question }) => el('th', { scope: 'col' }, question)), el('th', { scope: 'col' }, 'Outcome'))),
  el('tbody', {}, rows.map(row => gridRow(row, open)))));

function documentsSay(answer, open) {
  const { grid } = answer;
  if (!grid.rows.length) return me.may_write ? [el('p', {}, button('Ask them as a grid', () => askAsGrid(grid.definition), { class: 'primary small' }))] : [];
  const place = new Map((answer.pieces || []).map((piece, i) => [piece.citation?.document_id, i]));
  const counted = grid.rows.filter(row => row.outcome === 'counted').sort((one, other) => (place.get(one.document_id) ?? 1e9) - (place.get(other.document_id) ?? 1e9));
  const others = grid.rows.filter(row => row.outcome !== 'counted').sort((one, other) => Object.keys(OUTCOMES).indexOf(one.outcome) - Object.keys(OUTCOMES).indexOf(other.outcome));
  const counts = Object.entries(grid.counts).filter(([, number]) => number).map(([name, number]) => `${number} ${OUTCOMES[name]}`);
  return [counted.length ? gridTable(grid, counted, open, 'Documents that count') : null,
    el('p', { class: 'soft small grid-counts' }, `${count(grid.rows.length, 'document')} asked: ${counts.join(', ')}`),
    others.length ? el('details', { class: 'why' }, el('summary', {}, `What the others say (${others.length})`), gridTable(grid, others, open, 'Other documents')) : null].filter(Boolean);
}

function askAsGrid(definition) {
  setMode('grids');
  showForm({ rows: 'documents', all_documents: false, refresh: '', ...definition }, true);
}

function given(answer, open) {
  const value = answer.value && !answer.grid && typed(answer.value, answer.answer);
  const sources = answer.documents > 1 && !FORMS[answer.form] && !answer.grid ? el('span', {}, `${answer.documents} documents say so`) : null;
  return el('div', { class: 'answer' }, body(answer, open),
    el('p', { class: 'sure' }, gauge(answer.confidence), el('b', {}, inWords(answer.confidence)), el('span', {}, percent(answer.confidence)),
      sources, value ? el('span', { class: 'typed' }, `Read as ${value}`) : null));
}

const refused = (answer, open) => el('div', { class: 'answer' }, el('p', { class: 'words none' }, 'Not found'),
  el('p', { class: 'reason' }, reasonOf(answer)), answer.grid ? documentsSay(answer, open) : null);

// The reply to a question to rag itself, with questions that the documents answer.
const talk = answer => el('div', { class: 'answer' }, el('p', { class: 'reason' }, reasonOf(answer)),
  answer.suggestions?.length ? el('ul', { class: 'suggestions' }, answer.suggestions.map(question => el('li', {}, el('a', { href: linkToQuestion(question, []) }, question)))) : null);

// The answer and what contradicts it, beside each other.
function disagreement(answer, conflicts, open) {
  const own = { text: answer.answer, citations: answer.citations, documents: answer.documents };
  const cards = [own, ...conflicts].map(one => alternativeCard(one, open, false)).filter(Boolean);
  return el('div', { class: 'dissent' }, el('h3', {}, 'Your documents disagree'), el('ol', { class: 'cards beside' }, cards));
}

const sentenceAt = ({ citations: [citation] }) => citation ? `${citation.document_id} ${citation.start_char_index}` : '';

// The candidates that are shown beside an answer; those of a refusal are places to look at: one of each sentence.
function shownCandidates({ answer, alternatives }, conflicts) {
  const likely = alternatives.filter(other => other.confidence >= LEAST && !conflicts.some(one => one.text === other.text));
  return answer !== null ? likely : likely.filter((other, i) => i === likely.findIndex(one => sentenceAt(one) === sentenceAt(other)));
}

function renderAnswer(answer, open) {
  const found = answer.answer !== null;
  const conflicts = answer.conflicts || answer.dissent || [];
  const others = shownCandidates(answer, conflicts).slice(0, found ? 5 : 3).map(other => alternativeCard(other, open)).filter(Boolean);
  const understood = answer.understood || (answer.asked && answer.asked !== answer.question ? answer.question : '');
  const parts = [understood ? el('p', { class: 'soft small understood' }, 'Understood as: ', el('b', {}, understood)) : null, answer.note && answer.form !== 'talk' ? el('p', { class: 'soft small note' }, reasonOf({ abstention_reason: answer.note })) : null,
    found ? given(answer, open) : answer.form === 'talk' ? talk(answer) : refused(answer, open)];
  if (conflicts.length) parts.push(disagreement(answer, conflicts, open));
  const shown = (FORMS[answer.form] || answer.grid || isPolar(answer)) && (answer.pieces || []).length;
  if (!shown) parts.push(...cards('Also said here', places(answer).slice(1).map(citation => citationCard(citation, open))));
  if (found && others.length) parts.push(el('details', { class: 'why' }, el('summary', {}, `Other possible answers (${others.length})`), el('ol', { class: 'cards' }, others)));
  if (!found && !answer.grid) parts.push(...cards('Closest passages', others.length ? others : answer.nearest.slice(0, 3).map(hit => hitCard(hit, open, answer.question))));
  if (answer.explain.length && answer.form !== 'talk') {
    const title = found ? 'Why this answer' : 'Why there is no answer';
    parts.push(el('details', { class: 'why' }, el('summary', {}, title), el('ul', {}, answer.explain.map(line => el('li', {}, line)))));
  }
  return parts.filter(Boolean);
}
