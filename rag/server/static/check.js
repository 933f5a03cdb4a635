// Check: a text, sentence by sentence, against the documents.

const VERDICTS = {
  supported: ['Supported', 'good'], contradicted: ['Contradicted', 'bad'], partly: ['Partly supported', 'part'],
  not_in_documents: ['Not in the documents', 'none'], not_a_claim: ['Not a claim', 'skipped'], not_checkable: ['Cannot be checked', 'skipped'],
};
const verdictOf = name => VERDICTS[name] || [String(name).replaceAll('_', ' '), 'none'];
const SAYS = { supports: 'Supports it', contradicts: 'Contradicts it', near: 'Closest passage' };

// What the text says otherwise is marked in it, and what the document says in the evidence.
function differing(text, words) {
  return marked(text, words.map(word => [text.indexOf(word), word]).filter(([at]) => at >= 0).map(([at, word]) => [at, at + word.length, 'mark']));
}

function evidenceCard(evidence, open) {
  const citation = { ...evidence, highlight: null };
  return el('li', {}, el('button', { type: 'button', class: 'card', on: { click: event => open(citation, event.currentTarget, []) } },
    el('span', { class: 'soft small' }, SAYS[evidence.says] || evidence.says), place(citation),
    el('span', { class: 'quote' }, differing(evidence.cited_text, evidence.differs.map(pair => pair[1])))));
}

function checkedRow(sentence) {
  const [label, kind] = verdictOf(sentence.verdict);
  const evidence = [...sentence.evidence].sort((one, other) => other.differs.length - one.differs.length);
  const cards = evidence.map(one => evidenceCard(one, openCitation));
  const wrong = sentence.evidence.flatMap(one => one.differs.map(pair => pair[0]));
  const claim = el('div', { class: 'claim' }, el('p', {}, differing(sentence.text, wrong)), kind === 'skipped' ? el('p', { class: 'soft small' }, sentence.verdict === 'not_checkable' ? `${label}: ${sentence.reason}` : label) : [
    el('p', {}, el('span', { class: `verdict ${kind}` }, label), el('span', { class: 'soft small' }, ` ${percent(sentence.confidence)}`)),
    sentence.wrong_citation ? el('p', { class: 'wrong small' }, 'Supported, but not by the passage that it cites.') : null,
    ['bad', 'part'].includes(kind) ? el('p', { class: 'soft small' }, sentence.reason) : null]);
  return el('li', { class: `checked ${kind}` }, claim, cards.length ? el('ol', { class: 'cards' }, cards) : null);
}

function showCheck() {
  if ($('check').firstChild) return;
  const text = el('textarea', { id: 'claims', rows: '7', placeholder: 'Paste any text: a paragraph, a draft, an answer of a language model', 'aria-describedby': 'claims-hint' });
  const results = el('div', { id: 'checked', 'aria-live': 'polite' });
  const form = el('form', { on: { submit: async event => {
    event.preventDefault();
    if (!text.value.trim()) return;
    results.replaceChildren(el('p', { class: 'status busy' }, 'Checking each sentence'));
    try {
      const report = await (await postJson('/v1/check', { text: text.value, filters: tickedConditions() })).json();
      const rows = report.sentences.map(checkedRow);
      const tally = kind => report.sentences.filter(one => verdictOf(one.verdict)[1] === kind).length;
      const said = [['good', 'supported'], ['part', 'partly supported'], ['bad', 'contradicted'], ['none', 'not in the documents'], ['skipped', 'not checked']]
        .filter(([kind]) => tally(kind)).map(([kind, words]) => `${tally(kind)} ${words}`);
      results.replaceChildren(el('p', { class: 'tally' }, `${count(rows.length, 'sentence')}: ${said.join(', ')}`), el('ol', { class: 'plain' }, rows));
    } catch (error) {
      results.replaceChildren(problemBox(error));
    }
  } } }, el('label', { class: 'label', for: 'claims' }, 'Text to check'), text, el('div', { class: 'row' }, el('p', { class: 'hint', id: 'claims-hint' }, 'For each sentence you see what supports it and what contradicts it.'), el('button', { type: 'submit', class: 'primary' }, 'Check')));
  $('check').append(form, results);
}
