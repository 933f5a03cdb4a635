// Check: a text, sentence by sentence, and its quotations word for word, against the documents.

const VERDICTS = {
  supported: ['Supported', 'good'], contradicted: ['Contradicted', 'bad'], partly: ['Partly supported', 'part'],
  not_in_documents: ['Not in the documents', 'none'], not_a_claim: ['Not a claim', 'skipped'], not_checkable: ['Cannot be checked', 'skipped'],
};
const verdictOf = name => VERDICTS[name] || [String(name).replaceAll('_', ' '), 'none'];
const QUOTED = {
  exact: 'Exact quotation', altered: 'Altered quotation', stitched: 'Stitched quotation',
  cut: 'Cut quotation', misattributed: 'Misattributed quotation', not_found: 'Quotation not found',
};
const SAYS = { supports: 'Supports it', contradicts: 'Contradicts it', near: 'Closest passage' };

// What the text says otherwise is marked in it, and what the document says in the evidence.
function differing(text, words) {
  return marked(text, words.map(word => [text.indexOf(word), word]).filter(([at]) => at >= 0).map(([at, word]) => [at, at + word.length, 'mark']));
}

function evidenceCard(evidence, open) {
  const citation = { ...evidence, highlight: null };
  return el('li', {}, el('button', { type: 'button', class: 'card', on: { click: event => open(citation, event.currentTarget, []) } },
    evidence.says ? el('span', { class: 'soft small' }, SAYS[evidence.says] || evidence.says) : null, place(citation),
    el('span', { class: 'quote' }, differing(evidence.cited_text, evidence.differs.map(pair => pair[1])))));
}

function checkedRow(sentence) {
  const [label, kind] = verdictOf(sentence.verdict);
  const cards = sentence.evidence.map(one => evidenceCard(one, openCitation));
  const wrong = sentence.evidence.flatMap(one => one.differs.map(pair => pair[0]));
  const claim = el('div', { class: 'claim' }, el('p', {}, differing(sentence.text, wrong)), kind === 'skipped' ? el('p', { class: 'soft small' }, sentence.verdict === 'not_checkable' ? `${label}: ${sentence.reason}` : label) : [
    el('p', {}, el('span', { class: `verdict ${kind}` }, label), el('span', { class: 'soft small' }, ` ${percent(sentence.confidence)}`)),
    sentence.wrong_citation ? el('p', { class: 'wrong small' }, 'Supported, but not by the passage that it cites.') : null,
    ['bad', 'part'].includes(kind) ? el('p', { class: 'soft small' }, sentence.reason) : null]);
  return el('li', { class: `checked ${kind}` }, claim, cards.length ? el('ol', { class: 'cards' }, cards) : null);
}

function quotationRow(quotation) {
  const kind = quotation.verdict === 'exact' ? 'good' : quotation.is_fault ? 'bad' : 'part';
  const says = quotation.verdict === 'not_found' ? 'near' : '';
  const cards = quotation.places.map(found => evidenceCard({ ...found, says, differs: quotation.differs }, openCitation));
  const claim = el('div', { class: 'claim' }, el('p', {}, '“', differing(quotation.text.replace(/\n[> \t]+/g, '\n'), quotation.differs.map(pair => pair[0])), '”'),
    el('p', {}, el('span', { class: `verdict ${kind}` }, QUOTED[quotation.verdict] || quotation.verdict)),
    el('p', { class: 'soft small' }, quotation.reason),
    quotation.rest ? el('p', { class: 'soft small' }, `It goes on: “${quotation.rest}”`) : null);
  return el('li', { class: `checked ${kind}` }, claim, cards.length ? el('ol', { class: 'cards' }, cards) : null);
}

// A sentence that is only a quotation has no row of its own.
function checkedRows(report) {
  if (!report.sentences.length) return report.quotations.map(quotationRow);
  const starts = report.sentences.map(sentence => sentence.start);
  const after = at => report.quotations.filter(({ start }) => start >= (at ? starts[at] : 0) && !(start >= starts[at + 1])).map(quotationRow);
  return report.sentences.flatMap((sentence, at) => {
    const quotations = after(at);
    const isQuotation = sentence.verdict === 'not_a_claim' && sentence.reason.startsWith('a quotation');
    return isQuotation ? quotations : [checkedRow(sentence), ...quotations];
  });
}

function showCheck() {
  if ($('check').firstChild) return;
  const text = el('textarea', { id: 'claims', rows: '7', placeholder: 'Paste any text: a paragraph, a draft, an answer of a language model', 'aria-describedby': 'claims-hint' });
  const file = el('input', { id: 'claims-file', type: 'file', accept: '.docx,.pdf,.html,.htm,.md,.txt,.pptx,.epub,.eml,.rst' });
  const only = el('input', { id: 'claims-quotations', type: 'checkbox' });
  const results = el('div', { id: 'checked', 'aria-live': 'polite' });
  // Checks the file, or else the text; `format` html is a marked copy.
  const ask = format => {
    if (!file.files.length) return postJson(`/v1/check?format=${format}`, { text: text.value, filters: tickedConditions(), quotations_only: only.checked });
    const query = new URLSearchParams([['format', format], ['quotations_only', only.checked], ...tickedConditions().map(one => ['filter', one])]);
    const body = new FormData();
    body.append('file', file.files[0]);
    return request(`/v1/check/file?${query}`, { method: 'POST', body });
  };
  const saveCopy = async () => {
    try { downloadFile('checked.html', await (await ask('html')).blob()); } catch (error) { results.prepend(problemBox(error)); }
  };
  const form = el('form', { on: { submit: async event => {
    event.preventDefault();
    if (!text.value.trim() && !file.files.length) return;
    if (nothingAsked()) { results.replaceChildren(el('p', { class: 'status' }, 'No document is ticked. Tick one under Sources, or press “Use all”.')); return; }
    results.replaceChildren(el('p', { class: 'status busy' }, only.checked ? 'Checking each quotation' : 'Checking each sentence'));
    try {
      const report = await (await ask('json')).json();
      const rows = checkedRows(report);
      const tally = kind => report.sentences.filter(one => verdictOf(one.verdict)[1] === kind).length;
      const said = [['good', 'supported'], ['part', 'partly supported'], ['bad', 'contradicted'], ['none', 'not in the documents'], ['skipped', 'not checked']]
        .filter(([kind]) => tally(kind)).map(([kind, words]) => `${tally(kind)} ${words}`);
      const quoted = Object.keys(QUOTED).filter(name => report.quotation_counts[name]).map(name => `${report.quotation_counts[name]} ${name.replaceAll('_', ' ')}`);
      const tallies = [report.sentences.length ? `${count(report.sentences.length, 'sentence')}: ${said.join(', ')}` : '', quoted.length ? `${count(report.quotations.length, 'quotation')}: ${quoted.join(', ')}` : ''];
      results.replaceChildren(el('p', { class: 'tally' }, tallies.filter(Boolean).join('. ')), button('Save a marked copy', saveCopy, { class: 'small edged' }), el('ol', { class: 'plain' }, rows));
    } catch (error) {
      results.replaceChildren(problemBox(error));
    }
  } } }, el('label', { class: 'label', for: 'claims' }, 'Text to check'), text,
  el('p', { class: 'row small' }, el('label', { for: 'claims-file' }, 'or a file: ', file), el('label', { for: 'claims-quotations' }, only, ' quotations only')), el('div', { class: 'row' }, el('p', { class: 'hint', id: 'claims-hint' }, 'For each sentence you see what supports it and what contradicts it; for each quotation, whether it is word for word.'), el('button', { type: 'submit', class: 'primary' }, 'Check')), el('p', { class: 'chosen', hidden: true }));
  $('check').append(form, results, ...me.features.includes('proof') ? [proofForm()] : []);
  showTicked();
}
