// An answer as a person reads it, in the form that its question wants.

const LEAST = 0.1;  // candidates below this are not shown

function place(cited) {
  const inner = (cited.headings || []).filter(heading => heading !== cited.title);
  const page = cited.page ? [`page ${cited.page}`] : [];
  return el('span', { class: 'place' }, el('b', {}, cited.title), [...inner, ...page].map(part => ` › ${part}`).join(''));
}

const reference = (citation, open) => button(String(citation.index), event => open(citation, event.currentTarget),
  { class: 'ref', 'data-citation': citation.index, 'aria-label': `Open citation ${citation.index}`, title: placeOf(citation) });

// `quoted`: without it where the sentence is shown with the answer already.
function citationCard(citation, open, quoted = true) {
  return el('li', {}, el('button', { type: 'button', class: 'card', on: { click: event => open(citation, event.currentTarget) } },
    el('span', { class: 'number' }, `[${citation.index}]`), place(citation), quoted ? el('span', { class: 'quote' }, sentenceOf(citation)) : null));
}

function alternativeCard(other, open) {
  const citation = other.citations[0];
  if (!citation) return null;
  const more = other.documents > 1 ? ` · in ${count(other.documents, 'document')}` : '';
  return el('li', {}, el('button', { type: 'button', class: 'card alternative', on: { click: event => open(citation, event.currentTarget) } },
    el('span', { class: 'says' }, other.text, ' ', el('span', { class: 'soft small' }, `${inWords(other.confidence).toLowerCase()}, ${percent(other.confidence)}`)),
    el('span', { class: 'place' }, place(citation), more), el('span', { class: 'quote' }, sentenceOf(citation))));
}

const wholeHit = hit => ({ document_id: hit.document_id, title: hit.title, start_char_index: hit.start_char_index, end_char_index: hit.end_char_index });

function hitCard(hit, open, question = '') {
  return el('li', {}, el('button', { type: 'button', class: 'card nearest', on: { click: event => open(wholeHit(hit), event.currentTarget) } },
    place(hit), el('span', { class: 'quote' }, wordsMarked(hit.text, question))));
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
const BULLET = /^\s*(?:[-*\u2022\u2013]\s+)/;

const FORMS = {
  sentences: (pieces, open) => pieces.map(piece => el('p', { class: 'piece' }, piece.gap ? el('span', { class: 'soft' }, '[…] ') : null, piece.text, refOf(piece, open))),
  list(pieces, open) {
    const heads = pieces.filter(piece => piece.heading);
    const items = pieces.filter(piece => !piece.heading);
    return [heads.map(piece => el('p', { class: 'piece head' }, piece.text, refOf(piece, open))),
      el('ul', { class: 'items' }, items.map(piece => el('li', {}, piece.text.replace(BULLET, ''), refOf(piece, open))))];
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
  overview: (pieces, open) => pieces.map(piece => el('p', { class: piece.heading ? 'piece head' : 'piece' }, piece.text, refOf(piece, open))),
  catalogue: (pieces, open) => el('ul', { class: 'items documents-found' }, pieces.map(piece => el('li', {},
    piece.citation ? button(piece.label || piece.citation.title, event => open(piece.citation, event.currentTarget), { class: 'link' }) : piece.text,
    piece.citation && piece.text !== (piece.label || piece.citation.title) ? el('span', { class: 'soft small' }, ` ${piece.text}`) : null))),
};

// Where pieces are from: each document, or heading of it, once.
function sourcesOf(pieces, open) {
  const places = new Map(pieces.filter(piece => piece.citation).map(piece => [placeOf(piece.citation), piece.citation]).reverse());
  return el('p', { class: 'soft small from' }, 'From ', [...places].reverse().map(([words, citation], i) => [i ? ', ' : '', button(words, event => open(citation, event.currentTarget), { class: 'link' })]));
}

const isPolar = ({ answer, form }) => form === 'yes_no' && /^(Yes|No)\b/.test(answer);

// Whether the words are shown within their sentence: not if they are all of it.
const isInside = answer => {
  const first = answer.citations[0];
  return !!first && !isPolar(answer) && first.cited_text.trim() !== answer.answer.trim();
};

// The answer's words, and below them the sentence or pieces that say so.
function body(answer, open) {
  const pieces = piecesOf(answer);
  const polar = isPolar(answer);
  if (FORMS[answer.form] && pieces.length) {
    const lead = answer.form === 'catalogue' && !pieces.some(piece => answer.answer.startsWith(piece.text)) ? answer.answer.split('\n')[0] : '';
    return [lead ? el('p', { class: 'words small-words' }, lead) : null, el('div', { class: `pieces ${answer.form}` }, FORMS[answer.form](pieces, open)), answer.form === 'catalogue' ? null : sourcesOf(pieces, open),
      answer.more ? el('p', { class: 'soft' }, `… and ${count(answer.more, 'more item')} in the document.`) : null];
  }
  const first = answer.citations[0];
  const words = el('p', { class: 'words' }, polar ? `${/^\w+/.exec(answer.answer)[0]}.` : answer.answer, polar && pieces.length ? null : answer.citations.map(citation => reference(citation, open)));
  return [words, polar && pieces.length ? [FORMS.sentences(pieces, open), sourcesOf(pieces, open)] : isInside(answer) ? el('p', { class: 'inside' }, sentenceOf(first)) : null];
}

function given(answer, open) {
  const value = answer.value && typed(answer.value, answer.answer);
  const sources = answer.documents > 1 && !FORMS[answer.form] ? el('span', {}, `${answer.documents} documents say so`) : null;
  return el('div', { class: 'answer' }, body(answer, open),
    el('p', { class: 'sure' }, gauge(answer.confidence), el('b', {}, inWords(answer.confidence)), el('span', {}, percent(answer.confidence)),
      sources, value ? el('span', { class: 'typed' }, `Read as ${value}`) : null));
}

const refused = answer => el('div', { class: 'answer' }, el('p', { class: 'words none' }, 'Not found'),
  el('p', { class: 'reason' }, `No confident answer: ${answer.abstention_reason}`));

function renderAnswer(answer, open) {
  const found = answer.answer !== null;
  const others = answer.alternatives.filter(other => other.confidence >= LEAST).slice(0, found ? 5 : 3).map(other => alternativeCard(other, open)).filter(Boolean);
  const conflicts = (answer.conflicts || answer.dissent || []).map(other => alternativeCard(other, open)).filter(Boolean);
  const understood = answer.understood || (answer.asked && answer.asked !== answer.question ? answer.question : '');
  const parts = [understood ? el('p', { class: 'soft small' }, 'Understood as: ', el('b', {}, understood)) : null, found ? given(answer, open) : refused(answer)];
  if (conflicts.length) parts.push(el('div', { class: 'dissent' }, el('h3', {}, 'Other sources disagree'), el('ol', { class: 'cards beside' }, conflicts)));
  const shown = (FORMS[answer.form] || isPolar(answer)) && (answer.pieces || []).length;
  if (!shown) parts.push(...cards('Where it says so', answer.citations.map((citation, i) => citationCard(citation, open, i > 0 || !isInside(answer)))));
  if (found && others.length) parts.push(el('details', { class: 'why' }, el('summary', {}, `Other candidates (${others.length})`), el('ol', { class: 'cards' }, others)));
  if (!found) parts.push(...cards('What came nearest', others.length ? others : answer.nearest.slice(0, 3).map(hit => hitCard(hit, open, answer.question))));
  if (answer.explain.length) parts.push(el('details', { class: 'why' }, el('summary', {}, found ? 'Why this answer' : 'Why there is no answer'), el('ul', {}, answer.explain.map(line => el('li', {}, line)))));
  return parts.filter(Boolean);
}
