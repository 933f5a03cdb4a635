// The writer: a language model that words the answer from the quoted sentences, where a service has one. The switch asks it, and shows what it wrote.

const writes = () => me.features.includes('writer') && $('writes').checked;

async function showWriter() {
  $('writer').hidden = !me.features.includes('writer') || mode !== 'ask';
  if ($('writer').hidden) return;
  document.body.classList.toggle('only-quotes', !$('writes').checked);
  const { model, problem } = await getJson('/v1/writer').catch(error => ({ model: '', problem: error.message }));
  $('writer-name').textContent = upright(model || 'a language model');
  $('writer-state').textContent = upright(problem ? `Not available: ${problem}. You get the quotes.` : '');
  $('writer').classList.toggle('away', !!problem);
}

function switchWriter() {
  kept.set('writes', $('writes').checked);
  showWriter();
}

// What was written, above the quotes that the answer is made of; [n] opens the sentence that says so.
function writtenView(turn, open) {
  const { writing, answer: { written, answer } } = turn;
  if (answer === null) return null;  // nothing is written where nothing was found
  if (writing) return el('div', { class: 'written' }, el('p', { class: 'status busy' }, 'Writing, then checking each sentence'));
  if (!written) return null;
  if (written.text === null) return el('div', { class: 'written' }, el('p', { class: 'soft small' }, `Not written: ${written.reason}.`));
  const sources = new Map(written.sources.map(source => [source.number, source]));
  const parts = written.text.split(/\[(\d+)\]/).map((part, i) => {
    const source = i % 2 ? sources.get(Number(part)) : null;
    return !source ? (i % 2 ? `[${part}]` : part) : button(part, event => open({ ...wholeHit(source), headings: source.headings }, event.currentTarget), { class: 'ref', 'aria-label': `Open source ${part}`, title: source.text });
  });
  const struck = written.sentences.filter(one => one.struck);
  return el('div', { class: 'written' }, el('p', { class: 'written-text' }, parts),
    el('p', { class: 'soft small' }, 'Worded by a language model; each sentence was checked against the documents.'),
    struck.length ? el('details', { class: 'why small' }, el('summary', {}, `${count(struck.length, 'sentence')} left out`), el('ul', {}, struck.map(one => el('li', {}, el('s', {}, one.text), ` ${one.struck}`)))) : null);
}
