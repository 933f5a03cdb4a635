// Proofs: a bundle for an answer or a grid, a certificate for a refusal, and the check of them.

const wholes = new WeakMap();  // answers as the service gave them, with their receipts, which threads do not keep

// The whole answer; of an earlier visit it is asked again, and must be the same.
async function wholeOf({ answer, filters, form }) {
  if (wholes.has(answer)) return wholes.get(answer);
  const body = { question: answer.question, filters, ...(form ? { form } : {}) };
  const again = await (await postJson('/v1/ask', body)).json();
  if (again.answer !== answer.answer) throw new Problem({ detail: 'the documents answer otherwise today', hint: 'Ask again to see it.' });
  wholes.set(answer, again);
  return again;
}

const asFile = value => {
  const body = new FormData();
  body.append('file', new Blob([value instanceof Blob ? value : JSON.stringify(value)]), value.name || 'answer.json');
  return body;
};

const verified = async file => (await request('/v1/proofs/verify', { method: 'POST', body: asFile(file) })).json();

// What a check found, in words.
function proofView(check) {
  const { kind, faults, citations, checked, added, changed, removed, settings } = check;
  const lost = citations.filter(one => one.status !== 'ok');
  const holds = { answer: '', bundle: 'The bundle is as it was written. ', grid: '', certificate: 'The certificate is as it was written, and documents, models and settings are the same today. ' }[kind];
  const all = checked === 1 ? 'Its quote is in its document, word for word, at its place.' : `All ${count(checked, 'quote')} are in their documents, word for word, at their places.`;
  const quotes = lost.length ? `${lost.length.toLocaleString('en')} of ${count(checked, 'quote')} ${lost.length === 1 ? 'is' : 'are'} not where ${lost.length === 1 ? 'it was' : 'they were'}:` : checked ? all : '';
  const intact = faults.length ? '' : kind === 'certificate' && !check.holds ? 'The certificate is as it was written, but since then: ' : holds;
  const lines = [...faults.map(fault => ['Altered', fault]), ...added.map(id => ['Added', id]), ...changed.map(id => ['Changed', id]), ...removed.map(id => ['Removed', id]), ...settings.map(words => ['Setting', words])];
  const state = { moved: 'Moved', changed: 'Changed', missing: 'Missing' };
  return el('div', { class: check.holds ? 'proof-says' : 'proof-says dissent', role: 'status' },
    el('p', {}, el('b', {}, check.holds ? 'Holds. ' : faults.length ? 'Altered. ' : 'Something has changed. '), intact, kind === 'certificate' && !lost.length ? '' : quotes),
    lines.length ? el('ul', { class: 'small' }, lines.slice(0, 50).map(([word, words]) => el('li', {}, `${word}: ${words}`))) : null,
    lost.length ? el('ul', { class: 'small' }, lost.slice(0, 50).map(one => el('li', {}, el('b', {}, state[one.status]), `: “${one.text}” in ${one.document_id}: ${one.detail}`, one.now ? `. Now: “${one.now}”` : ''))) : null);
}

// The menu below an answer. What it says comes into `place`.
function proofMenu(turn, place) {
  const { answer } = turn;
  const does = act => async () => {
    closeMenu();
    place.replaceChildren(el('p', { class: 'status busy' }, 'One moment'));
    try { place.replaceChildren(...[await act()].filter(Boolean)); } catch (error) { place.replaceChildren(problemBox(error)); }
  };
  const save = async (path, body, name) => { downloadFile(name, await (await postJson(path, body)).blob()); };
  const bundle = () => wholeOf(turn).then(whole => save('/v1/proofs/bundle', whole, 'proof.zip')).then(() => el('p', { class: 'soft small' }, 'Saved as proof.zip: a page with the quotes, the quoted documents, and a program that checks them without rag.'));
  const certificate = () => save('/v1/proofs/certificate', { question: answer.question, filters: turn.filters, ...(turn.form ? { form: turn.form } : {}) }, 'absence.html')
    .then(() => el('p', { class: 'soft small' }, 'Saved as absence.html: what was searched, and what came nearest. Check it later under Check.'));
  const items = answer.answer === null ? [['Save a certificate', certificate]] : [['Save a bundle', bundle], ['Check the quotes', async () => proofView(await verified(await wholeOf(turn)))]];
  return el('details', { class: 'menu' }, el('summary', { class: 'small', title: answer.answer === null ? 'A record that nothing was found' : 'Files and checks for those who do not trust the page' }, 'Proof'),
    el('span', { class: 'menu-items' }, items.map(([words, act]) => button(words, does(act), { class: 'quiet small' }))));
}

// The check of a file that somebody has kept or sent.
function proofForm() {
  const file = el('input', { id: 'proof-file', type: 'file', accept: '.zip,.html,.json', 'aria-describedby': 'proof-hint' });
  const found = el('div', { id: 'proof-checked' });
  const check = async () => {
    if (!file.files.length) return;
    found.replaceChildren(el('p', { class: 'status busy' }, 'Checking'));
    try { found.replaceChildren(proofView(await verified(file.files[0]))); } catch (error) { found.replaceChildren(problemBox(error)); }
  };
  file.addEventListener('change', check);
  return el('details', { class: 'narrow' }, el('summary', {}, 'Check a proof'), el('div', { class: 'fields' }, el('p', { class: 'hint', id: 'proof-hint' }, 'A certificate, a bundle or an answer that was saved here or with rag: is it as it was written, and is it still so?'),
    el('label', { for: 'proof-file' }, 'File ', file), found));
}
