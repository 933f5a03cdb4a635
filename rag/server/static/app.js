// The page: asking, what was asked before, links, keys of the keyboard.

let asking = null;
let shown = null;

// `heard` words are for screen readers alone: eyes see what they say.
function say(words, { busy = false, heard = false } = {}) {
  $('status').textContent = words;
  $('status').classList.toggle('busy', busy);
  $('status').classList.toggle('heard', heard);
}

// A comma parts two conditions only where the next one begins: "title=oil, gas, year>=2024" are two.
const conditions = () => $('filters').value.split(/,(?=\s*[\w.-]+\s*(?:[=<>:]|!=))/).map(one => one.trim()).filter(Boolean);

function linkTo(question, filters) {
  const link = new URLSearchParams({ q: question });
  filters.forEach(filter => link.append('f', filter));
  return `#${link}`;
}

async function ask(question, filters) {
  asking?.abort();
  const mine = asking = new AbortController();
  document.body.classList.add('asked');
  document.title = `${question} · rag`;
  $('recent').hidden = true;
  $('result').hidden = true;
  say('Searching', { busy: true });
  const begun = performance.now();
  try {
    const response = await postJson('/v1/ask', { question, filters, stream: true }, mine.signal);
    for await (const [name, data] of eventsOf(response)) {
      if (name === 'search_results') say(`Reading ${count(data.hits.length, 'passage')}`, { busy: true });
      if (name === 'error') throw new Problem(data);
      if (name === 'final_answer') show(data, filters, performance.now() - begun);
    }
    remember(question, filters);
  } catch (error) {
    if (error.name === 'AbortError') return;
    say('');
    $('result').replaceChildren(problemBox(error));
    $('result').hidden = false;
    if (error.status === 409) countDocuments().catch(() => {});
  }
}

const read = ({ passages_read, passages_found }) =>
  passages_read < passages_found ? `${passages_read} of ${count(passages_found, 'passage')}` : count(passages_read, 'passage');

function show(answer, filters, ms) {
  shown = answer;
  const time = ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
  const copy = button('Copy link', async () => {
    await navigator.clipboard?.writeText(location.href).catch(() => {});
    copy.textContent = 'Copied';
    setTimeout(() => { copy.textContent = 'Copy link'; }, 1500);
  }, { class: 'quiet small' });
  $('result').replaceChildren(...renderAnswer(answer, openCitation),
    el('p', { class: 'foot' }, el('span', {}, `${read(answer)} read in ${time}`), copy));
  $('result').hidden = false;
  say(answer.answer === null ? 'Not found.' : `Answered. ${inWords(answer.confidence)}, ${count(answer.citations.length, 'citation')}.`, { heard: true });
}

// What was asked before

const recent = () => { try { return JSON.parse(localStorage.getItem('recent')) || []; } catch { return []; } };

function remember(question, filters) {
  const others = recent().filter(one => one.question !== question || String(one.filters) !== String(filters));
  try { localStorage.setItem('recent', JSON.stringify([{ question, filters }, ...others].slice(0, 12))); } catch { /* no storage */ }
}

function showRecent() {
  const before = recent();
  $('recent').hidden = !before.length;
  $('recent-list').replaceChildren(...before.map(({ question, filters }) =>
    el('li', {}, button(question, () => { location.hash = linkTo(question, filters); }))));
}

// The address says what is asked, so that a link reproduces it. It stays in the browser: what follows # is sent nowhere.

function follow() {
  const link = new URLSearchParams(location.hash.slice(1));
  const question = link.get('q') || '';
  const filters = link.getAll('f');
  $('question').value = question;
  $('filters').value = filters.join(', ');
  if (filters.length) $('narrow').open = true;
  grow();
  if (question) { ask(question, filters); return; }
  asking?.abort();
  document.body.classList.remove('asked');
  document.title = 'rag';
  $('result').hidden = true;
  shown = null;
  say('');
  showRecent();
  if (link.get('document')) openPlace(link);
}

// A link of an agent's or a chat front end's citation: a document, opened at a place.
function openPlace(link) {
  const [start, end] = ['start', 'end'].map(name => Math.max(0, Number.parseInt(link.get(name), 10) || 0));
  const place = { start_char_index: start, end_char_index: Math.max(start, end) };
  openCitation({ document_id: link.get('document'), title: link.get('document'), ...place, highlight: place }, null);
}

function grow() {
  $('question').style.height = 'auto';
  $('question').style.height = `${$('question').scrollHeight}px`;
}

function submit(event) {
  event.preventDefault();
  const question = $('question').value.trim();
  if (!question) return;
  const link = linkTo(question, conditions());
  if (location.hash === link) ask(question, conditions());
  else location.hash = link;
}

const typing = target => target instanceof HTMLElement && (target.matches('input, textarea') || target.closest('dialog'));

function press(event) {
  if (event.key === 'Escape' && !document.querySelector('dialog[open]') && closeSide()) { event.preventDefault(); return; }
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
  const citation = shown && /^[1-9]$/.test(event.key) ? $('result').querySelector(`[data-citation="${event.key}"]`) : null;
  const does = { '/': () => { $('question').focus(); $('question').select(); }, d: () => toggleDocuments(), '?': () => $('help').showModal() }[event.key] || (citation && (() => citation.click()));
  if (does) { event.preventDefault(); does(); }
}

function toggleDocuments() {
  if ($('show-documents').getAttribute('aria-expanded') === 'true') closeSide();
  else showDocuments($('show-documents'));
}

function watchDrops() {
  const files = event => event.dataTransfer && [...event.dataTransfer.types].includes('Files');
  const over = on => { $('drop').hidden = !on; };
  addEventListener('dragover', event => { if (files(event)) { event.preventDefault(); over(true); } });
  addEventListener('dragleave', event => { if (!event.relatedTarget) over(false); });
  addEventListener('drop', event => { if (files(event)) { event.preventDefault(); over(false); add([...event.dataTransfer.files]); } });
}

async function waitUntilReady() {
  for (;;) {
    try { await countDocuments(); say(''); return; } catch (error) {
      if (error.status !== 503) { say(''); $('result').replaceChildren(problemBox(error)); $('result').hidden = false; return; }
      say(error.message[0].toUpperCase() + error.message.slice(1), { busy: true });
      await pause(800);
    }
  }
}

$('ask').addEventListener('submit', submit);
$('question').addEventListener('input', grow);
$('question').addEventListener('keydown', event => {
  if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) { event.preventDefault(); $('ask').requestSubmit(); }
});
$('show-documents').addEventListener('click', toggleDocuments);
$('welcome-add').addEventListener('click', () => showDocuments($('welcome-add')));
$('show-help').addEventListener('click', () => $('help').showModal());
$('skip').addEventListener('click', event => { event.preventDefault(); $('question').focus(); });
$('home').addEventListener('click', event => { event.preventDefault(); closeSide(); location.hash = ''; $('question').focus(); });
$('forget').addEventListener('click', () => { localStorage.removeItem('recent'); showRecent(); $('question').focus(); });
addEventListener('hashchange', follow);
addEventListener('keydown', press);
watchDrops();
$('question').focus({ preventScroll: true });
waitUntilReady().then(follow);
