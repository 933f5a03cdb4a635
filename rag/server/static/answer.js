// An answer as a person reads it.

function place(cited) {
  const inner = cited.headings.filter(heading => heading !== cited.title);
  const page = cited.page ? [`page ${cited.page}`] : [];
  return el('span', { class: 'place' }, el('b', {}, cited.title), [...inner, ...page].map(part => ` › ${part}`).join(''));
}

function citationCard(citation, open) {
  return el('li', {}, el('button', {
    type: 'button', class: 'card', 'data-citation': citation.index,
    'aria-label': `Citation ${citation.index}, ${citation.title}: ${citation.cited_text}. Open the document there.`,
    on: { click: event => open(citation, event.currentTarget) },
  }, el('span', { class: 'number' }, `[${citation.index}]`), place(citation), el('span', { class: 'quote' }, sentenceOf(citation))));
}

function alternativeCard(other, open) {
  const citation = other.citations[0];
  if (!citation) return null;
  const more = other.documents > 1 ? ` · in ${count(other.documents, 'document')}` : '';
  return el('li', {}, el('button', {
    type: 'button', class: 'card alternative', on: { click: event => open(citation, event.currentTarget) },
    'aria-label': `${other.text}, ${inWords(other.confidence)}. ${citation.cited_text}. Open the document there.`,
  }, el('span', { class: 'number' }, percent(other.confidence)), el('span', { class: 'says' }, other.text),
    el('span', { class: 'place' }, place(citation), more), el('span', { class: 'quote' }, sentenceOf(citation))));
}

function hitCard(hit, open) {
  const whole = { document_id: hit.document_id, title: hit.title, start_char_index: hit.start_char_index, end_char_index: hit.end_char_index, highlight: null };
  return el('li', {}, el('button', { type: 'button', class: 'card nearest', on: { click: event => open(whole, event.currentTarget) } },
    el('span', { class: 'number', 'aria-hidden': 'true' }, '·'), place(hit), el('span', { class: 'quote' }, hit.text)));
}

function cards(title, items) {
  return items.length ? [el('h3', {}, title), el('ol', { class: 'cards' }, items)] : [];
}

function gauge(share) {
  const bar = el('i');
  bar.style.width = percent(share);
  return el('span', { class: 'gauge', 'aria-hidden': 'true' }, bar);
}

function given(answer, open) {
  const references = answer.citations.map(citation => button(String(citation.index), event => open(citation, event.currentTarget),
    { class: 'ref', 'aria-label': `Citation ${citation.index}` }));
  const value = answer.value && typed(answer.value);
  const sources = answer.documents > 1 ? el('span', {}, `${answer.documents} documents say so`) : null;
  return el('div', { class: 'answer' },
    el('p', { class: 'words' }, answer.answer, references),
    el('p', { class: 'sure' }, gauge(answer.confidence), el('b', {}, inWords(answer.confidence)), el('span', {}, percent(answer.confidence)),
      sources, value ? el('span', { class: 'typed' }, value) : null));
}

function refused(answer) {
  return el('div', { class: 'answer' },
    el('p', { class: 'words none' }, 'Not found'),
    el('p', { class: 'reason' }, `Your documents do not say, or not clearly enough: ${answer.reason}.`));
}

function renderAnswer(answer, open) {
  const found = answer.answer !== null;
  const others = answer.alternatives.filter(other => other.confidence >= 0.05 || !found).map(other => alternativeCard(other, open)).filter(Boolean);
  const conflicts = answer.conflicts.map(other => alternativeCard(other, open)).filter(Boolean);
  const parts = [found ? given(answer, open) : refused(answer)];
  if (answer.understood) parts.unshift(el('p', { class: 'reason' }, `Understood as: ${answer.understood}`));
  if (conflicts.length) parts.push(el('div', { class: 'conflicts' }, el('h3', {}, 'Other sources disagree'), el('ol', { class: 'cards' }, conflicts)));
  parts.push(...cards('Also', answer.parts.map(other => alternativeCard(other, open)).filter(Boolean)));
  parts.push(...cards('Where it stands', answer.citations.map(citation => citationCard(citation, open))));
  parts.push(...cards(found ? 'Other candidates' : 'What came nearest', others));
  if (!found && !others.length) parts.push(...cards('What came nearest', answer.nearest.slice(0, 3).map(hit => hitCard(hit, open))));
  if (answer.explain.length) parts.push(el('details', { class: 'why' }, el('summary', {}, 'Why this answer'), el('ul', {}, answer.explain.map(line => el('li', {}, line)))));
  return parts;
}
