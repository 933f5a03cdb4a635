// The page: asking and following up, searching, links, keys of the keyboard.

const MODES = ['ask', 'search', 'check', 'grids'];
let asking = null;
let mode = 'ask';

// `heard` words are for screen readers alone: eyes see what they say.
function say(words, { busy = false, heard = false } = {}) {
  $('status').textContent = upright(words);
  $('status').classList.toggle('busy', busy);
  $('status').classList.toggle('heard', heard);
}

// A comma parts two conditions only where the next one begins: "title=oil, gas, year>=2024" are two.
const conditionsIn = text => text.split(/,(?=\s*[\w.-]+\s*(?:[=<>:]|!=))/).map(one => one.trim()).filter(Boolean);
const conditions = () => [...conditionsIn($('filters').value), ...tickedConditions()];

function linkToQuestion(question, filters) {
  const link = new URLSearchParams({ ...fromHere, q: question });
  filters.forEach(filter => link.append('f', filter));
  return `#${link}`;
}

function working(on) {
  $('stop').hidden = !on;
  $('submit').hidden = on;
}

function stop() {
  if ($('stop').hidden) return false;
  asking?.abort();
  return true;
}

// Leaves what is being asked for something else.
function giveUp() {
  if (!asking) return;
  Object.assign(asking.turn, { problem: 'Stopped', writing: false });
  asking.abort();
  asking = null;
  working(false);
}

// Asks, and fills the turn's place in the thread as passages and the answer come.
async function ask(turn) {
  giveUp();
  const mine = asking = Object.assign(new AbortController(), { turn });
  const before = conversation(turn);
  document.body.classList.add('asked');
  document.title = `${turn.question} · rag`;
  Object.assign(turn, { answer: null, problem: '', hits: [], error: null });
  if (!thread.turns.includes(turn)) thread.turns.push(turn);
  showThread();
  say('Searching', { heard: true });
  working(true);
  const begun = performance.now();
  try {
    await isReady;
    await commitDeletions();
    if (mine.signal.aborted) throw new DOMException('', 'AbortError');
    const body = { question: turn.question, filters: turn.filters, stream: true };
    if (before.length && me.features.includes('conversation')) body.conversation = before;
    if (turn.form && me.features.includes('form')) body.form = turn.form;
    if (writes()) body.write = true;
    const response = await postJson('/v1/ask', body, mine.signal);
    for await (const [name, data] of eventsOf(response)) {
      if (name === 'search_results') {
        turn.hits = data.hits;
        say(doing(turn), { heard: true });
        redraw(turn);
      }
      if (name === 'error') throw new Problem(data);
      if (name === 'final_answer') {
        turn.answer = slim(data);
        wholes.set(turn.answer, data);
        turn.ms = performance.now() - begun;
        turn.writing = !!body.write;
        if (turn.writing) { say('Writing', { heard: true }); redraw(turn); }
      }
      if (name === 'written') turn.answer.written = data;
    }
    say(turn.answer.form === 'talk' ? reasonOf(turn.answer) : turn.answer.answer === null ? 'Not found.' : `Answered. ${inWords(turn.answer.confidence)}, ${count(turn.answer.citations.length, 'citation')}.`, { heard: true });
  } catch (error) {
    if (asking !== mine) return;
    turn.problem = error.name === 'AbortError' ? 'Stopped' : error.message;
    turn.error = error.name === 'AbortError' ? null : error;
    say(turn.error ? '' : 'Stopped.', { heard: true });
    if (error.status === 409) {
      error.hint = me.may_write ? 'Add documents, then ask again.' : 'This key is read-only and cannot add documents.';
      error.remedy = me.may_write ? button('Add documents', event => showSources(event.currentTarget), { class: 'primary small more' }) : null;
    }
  }
  if (asking !== mine) return;
  asking = null;
  working(false);
  turn.hits = [];
  turn.writing = false;
  keepTurn(turn);
  redraw(turn);
}

const doing = turn => turn.hits?.length ? `Reading ${count(turn.hits.length, 'passage')}` : 'Searching';

// While a question is asked, its place says so and can stop it: the question box may be out of sight.
const whileAsking = (turn, open) => [el('p', { class: 'status busy' }, doing(turn)), turn.hits?.length ? el('div', { class: 'while' }, el('h3', {}, 'Passages found'),
  el('ol', { class: 'cards' }, turn.hits.slice(0, 4).map(hit => hitCard(hit, open, turn.question)))) : null];

const read = ({ form, grid, passages_read, passages_found }, time) => grid?.rows.length ? `${count(grid.rows.length, 'document')} asked in ${time}` : !passages_read || form === 'catalogue' ? `Found in ${time}` :
  `${passages_read < passages_found ? `${passages_read} of ${count(passages_found, 'passage')}` : count(passages_read, 'passage')} read in ${time}`;

function actionsOf(turn) {
  const { answer } = turn;
  const time = turn.ms < 1000 ? `${Math.round(turn.ms)} ms` : `${(turn.ms / 1000).toFixed(1)} s`;
  const copying = (sign, label, words) => { const pressed = iconButton(sign, label, () => toClipboard(words(), pressed.lastChild, label), { class: 'small' }); return pressed; };
  const proved = el('div', {});
  return [el('div', { class: 'foot' }, el('span', {}, read(answer, time)), el('span', { class: 'actions' },
    thumbs(turn), me.features.includes('proof') ? proofMenu(turn, proved) : null, copying('copy', 'Copy', () => quotedPlain(answer)), copying('copy', 'Copy as Markdown', () => quotedMarkdown(answer)),
    copying('link', 'Copy link', () => answer.citations[0] ? linkToPlace(answer.citations[0]) : `${location.origin}${location.pathname}${linkToQuestion(answer.question, turn.filters)}`))), proved, correction(turn)];
}

// A thumb becomes a gold question of rag eval; to a wrong answer the right one can be added.
async function give(turn, right, correction) {
  const { answer } = turn;
  const verdict = !right ? 'wrong' : answer.answer === null ? 'not_in_the_documents' : 'right';
  const evidence = right ? answer.citations.slice(0, 20).map(({ document_id, cited_text }) => ({ document: document_id, sentence: cited_text })) : [];
  try {
    await postJson('/v1/feedback', { question: answer.question, verdict, answer: answer.answer, evidence, ...(correction ? { correction } : {}) });
    Object.assign(turn, { thumb: right, corrected: correction || turn.corrected });
    saveThread();
    redraw(turn);
    const view = $('thread').querySelector(`[data-turn="${turn.id}"]`);
    (view?.querySelector('.correction input') || view?.querySelector('.thumbs [aria-pressed=true]'))?.focus();
    say('Thank you. Your rating is saved as a question for rag eval.', { heard: true });
  } catch (error) { say(error.message); }
}

function thumbs(turn) {
  if (!me.features.includes('feedback')) return null;
  const { answer } = turn;
  const one = (right, sign, words, label) => iconButton(sign, words, () => give(turn, right), { class: 'small', 'aria-label': label, 'aria-pressed': String(turn.thumb === right) });
  return el('span', { class: 'actions thumbs' }, one(true, 'up', 'Correct', answer.answer === null ? 'Correct, the documents do not say' : 'Correct: this answer is right'), one(false, 'down', 'Wrong', 'Wrong: this answer is wrong'));
}

// What a person says is right, below an answer that is wrong.
function correction(turn) {
  if (turn.thumb !== false || !me.features.includes('feedback')) return null;
  if (turn.corrected) return el('p', { class: 'small soft' }, `Correct answer: ${turn.corrected}`);
  const words = el('input', { type: 'text', placeholder: 'The right answer', 'aria-label': 'The right answer' });
  const send = event => { event.preventDefault(); if (words.value.trim()) give(turn, false, words.value.trim()); };
  return el('form', { class: 'correction', on: { submit: send } }, words, el('button', { type: 'submit', class: 'primary small' }, 'Send'));
}

function turnView(turn) {
  const busy = asking?.turn === turn;
  const cited = turn.answer ? piecesOf(turn.answer).map(piece => piece.citation).filter(Boolean) : [];
  const open = (citation, from) => openCitation(citation, from, cited.includes(citation) ? cited : turn.answer ? turn.answer.citations : []);
  const inside = turn.answer ? [writtenView(turn, open), ...renderAnswer(turn.answer, open), turn.answer.form === 'talk' ? null : actionsOf(turn)]
    : turn.error ? [problemBox(turn.error, turn.error.status === 409 ? null : () => ask(turn), turn.error.remedy)] : turn.problem ? [el('p', { class: 'soft' }, `${turn.problem}. `, button('Ask again', () => ask(turn), { class: 'quiet small' }))]
      : busy ? whileAsking(turn, open) : [];
  const head = el('div', { class: 'asked-head' }, el('h2', { class: 'asked-question', tabindex: '-1' }, turn.question), el('span', { class: 'actions' }, busy ? button('Stop', stop, { class: 'danger small', 'aria-label': `Stop: ${turn.question}` }) : [
    iconButton('pencil', 'Edit', () => edit(turn), { class: 'small', 'aria-label': `Edit the question ${turn.question}` }),
    iconButton('again', 'Ask again', () => ask(turn), { class: 'small', 'aria-label': `Ask again: ${turn.question}` }),
    iconButton('bin', 'Delete', () => removeTurn(turn), { class: 'small', 'aria-label': `Delete the question ${turn.question}` })]));
  const narrowed = turn.filters.length ? el('p', { class: 'soft small narrowed' }, `Asked ${inPlainWords(turn.filters)}`) : null;
  return el('article', { class: 'turn', 'data-turn': turn.id, 'aria-label': turn.question }, head, narrowed, inside);
}

function redraw(turn) {
  const old = $('thread').querySelector(`[data-turn="${turn.id}"]`);
  if (!old) return;
  const made = turnView(turn);
  const focused = old.contains(document.activeElement);
  old.replaceWith(made);
  if (thread.turns.length > 1) made.scrollIntoView({ block: 'start' });
  if (focused) made.querySelector('.asked-question').focus({ preventScroll: true });
}

function edit(turn) {
  const box = el('textarea', { rows: '2', 'aria-label': 'Edit the question' });
  box.value = turn.question;
  const done = keep => { if (keep && box.value.trim()) { turn.question = box.value.trim(); ask(turn); } else redraw(turn); };
  box.addEventListener('keydown', event => {
    if (event.key === 'Enter' && !event.shiftKey) { event.preventDefault(); done(true); }
    if (event.key === 'Escape') { event.stopPropagation(); done(false); }
  });
  $('thread').querySelector(`[data-turn="${turn.id}"] .asked-head`).replaceChildren(box,
    el('span', { class: 'actions' }, button('Ask', () => done(true), { class: 'primary small' }), button('Cancel', () => done(false), { class: 'quiet small' })));
  box.focus();
}

function removeTurn(turn) {
  if (thread.turns.length < 2) { removeThread(); return; }
  const [own, at] = [thread, thread.turns.indexOf(turn)];
  own.turns.splice(at, 1);
  showThread();
  undoable('The question is deleted', () => saveThread(own), () => { own.turns.splice(at, 0, turn); if (thread === own) showThread(); });
  $('question').focus();
}

function removeThread() {
  deleteThreads([thread], 'The thread is deleted');
  leaveThread('replaceState');
  $('question').focus();
}

function showThread() {
  $('recent').hidden = $('found').hidden = $('check').hidden = $('welcome').hidden = $('guide').hidden = $('standing').hidden = true;
  $('thread').hidden = false;
  $('title').textContent = upright(thread.title || thread.turns[0]?.question || '');
  $('question-label').textContent = 'Ask a follow-up';
  $('question').placeholder = '';
  $('thread').replaceChildren(threadHead(), ...thread.turns.map(turnView));
  if (thread.turns.length > 1) $('thread').lastChild.scrollIntoView({ block: 'start' });
  else scrollTo(0, 0);  // the list of threads may have been scrolled
}

function threadHead() {
  const name = el('input', { type: 'text', 'aria-label': 'Name of the thread', maxlength: '200', on: { change: () => { thread.title = name.value.trim() || thread.turns[0].question; saveThread(); $('title').textContent = upright(thread.title); } } });
  name.value = thread.title || thread.turns[0]?.question || '';
  name.hidden = name.value === thread.turns[0]?.question;  // it is the heading below
  return el('div', { class: 'thread-head' }, name, el('span', { class: 'actions' },
    button('New thread', () => { leaveThread(); $('question').focus(); }, { class: 'quiet small' }),
    el('details', { class: 'menu' }, el('summary', { class: 'quiet small' }, 'More'), el('span', { class: 'menu-items' },
      button('Rename', () => { name.hidden = false; name.select(); }, { class: 'quiet small' }),
      button('Save as Markdown', () => download('thread.md', threadMarkdown(thread)), { class: 'quiet small' }),
      button('Save as JSON', () => download('thread.json', JSON.stringify(thread, null, 2)), { class: 'quiet small' }),
      button('Delete thread', removeThread, { class: 'danger small' })))));
}

// `how`: by which of history's functions the address is changed; '' where Back has done so.
function leaveThread(how = 'pushState') {
  giveUp();
  newThread();
  if (how && (location.hash || history.state?.thread)) history[how](null, '', location.pathname);
  goHome();
}

// Each thread has a place in the tab's history: Back goes to where one was, and a reload shows it as it is.
function enterThread(question, filters) {
  if (history.state?.thread !== thread.id) history.pushState({ thread: thread.id }, '', linkToQuestion(question, filters));
}

addEventListener('popstate', async event => {
  const wanted = event.state?.thread;
  if (wanted === (thread.turns.length ? thread.id : undefined)) return;
  const one = await threadOf(wanted);
  if (one) openThread(one);
  else if (!location.hash) leaveThread('');
});

function goHome() {
  for (const name of MODES) $(`mode-${name}`).setAttribute('aria-pressed', String(name === mode));
  document.body.classList.remove('asked');
  document.title = 'rag';
  $('title').textContent = { ask: 'What do your documents say?', search: 'Search your documents', check: 'Check a text against your documents', grids: 'The same questions to every document' }[mode];
  $('question-label').textContent = mode === 'search' ? 'Words or a question' : 'Your question';
  $('question').placeholder = mode === 'search' ? '' : 'Ask about your documents';
  $('asking-hint').textContent = mode === 'search' ? 'Shows the closest passages, with your words marked.' : askingHint;
  $('thread').hidden = true;
  $('ask').hidden = ['check', 'grids'].includes(mode);
  if (me.features.length) showWriter();
  $('grids').hidden = mode !== 'grids';
  document.body.classList.toggle('wide', mode === 'grids');
  $('check').hidden = mode !== 'check';
  $('found').hidden = mode !== 'search' || !$('found').firstChild;
  $('submit').textContent = mode === 'search' ? 'Search' : 'Ask';
  say('');
  showRecent();
  $('guide').hidden = $('standing').hidden = true;
  if (me.features.length) { showGuide(); showStanding(); }
}

function showRecent() {
  const sought = $('recent-search').value;
  $('recent').hidden = mode !== 'ask' || thread.turns.length > 0 || !(threads.length || sought);
  $('recent-search').hidden = threads.length < 5 && !sought;
  const on = one => new Date(one.updated * 1000).toLocaleDateString('en-GB', { day: 'numeric', month: 'long', year: 'numeric' });
  $('recent-list').replaceChildren(...threads.map(one => el('li', {}, button(one.title, async () => openThread(await threadOf(one.id)), { class: 'thread-name' }),
    el('span', { class: 'soft small' }, [one.updated ? on(one) : '', count(one.questions || one.turns.length, 'question')].filter(Boolean).join(' · ')),
    iconButton('bin', 'Delete', () => { deleteThreads([one], 'The thread is deleted'); showRecent(); $('question').focus(); }, { class: 'bare', 'aria-label': `Delete the thread ${one.title}` }))));
  if (!threads.length && sought) $('recent-list').append(el('li', { class: 'soft' }, 'No thread has these words.'));
}

function openThread(one) {
  if (!one) return;
  giveUp();
  thread = one;
  mode = 'ask';
  goHome();
  enterThread(one.turns[0].question, one.turns[0].filters);
  document.body.classList.add('asked');
  document.title = `${upright(one.title)} · rag`;
  showThread();
  $('thread').querySelector('h2').focus({ preventScroll: true });
}

function setMode(wanted) {
  const leaves = mode === 'grids' && location.hash.includes('grid=');
  mode = wanted;
  if (mode === 'grids') { goHome(); goToGrid(); return; }
  if (leaves) thread.turns.length ? enterThread(thread.turns[0].question, thread.turns[0].filters) : history.pushState(null, '', location.pathname);
  if (mode === 'check') showCheck();
  if (mode === 'ask' && thread.turns.length) { goHome(); document.body.classList.add('asked'); showThread(); } else goHome();
  (mode === 'check' ? $('claims') : $('question')).focus();
}

async function search(question) {
  say('Searching', { busy: true });
  try {
    const { hits } = await (await postJson('/v1/search', { question, filters: conditions(), top_k: 20 })).json();
    $('found').replaceChildren(el('h2', {}, count(hits.length, 'passage')), el('ol', { class: 'cards' }, hits.map(hit => hitCard(hit, (citation, from) => openCitation(citation, from, []), question))));
    say(`${count(hits.length, 'passage')} found.`, { heard: true });
  } catch (error) {
    say('');
    $('found').replaceChildren(problemBox(error, () => search(question)));
  }
  $('found').hidden = false;
  $('recent').hidden = true;
}

// The address says what is asked first, or which place of a document is looked at, so that a link reproduces it. It stays in
// the browser: what follows # is sent nowhere.

async function follow() {
  if (collectionAsked() !== collection) { location.reload(); return; }
  const link = new URLSearchParams(location.hash.slice(1));
  if (link.has('grid')) { mode = 'grids'; goHome(); showGrids(link.get('grid')); return; }
  if (mode === 'grids') setMode('ask');
  const question = link.get('q');
  const stored = await threadOf(history.state?.thread);
  if (stored) {
    if (thread !== stored) openThread(stored);
  } else if (question) {
    newThread();
    history.replaceState({ thread: thread.id }, '');
    ask({ id: fresh(), question, filters: link.getAll('f'), form: '' });
  } else if (!thread.turns.length) goHome();
  const id = link.get('document');
  if (id) {
    const [start, end] = [link.get('start'), link.get('end')].map(Number);
    const at = link.has('start') && start <= end ? { start_char_index: start, end_char_index: end, highlight: { start_char_index: start, end_char_index: end } } : {};
    openCitation({ document_id: id, title: id, ...at, page: Number(link.get('page')) || undefined }, null, []);
  }
}

function grow() {
  $('question').style.height = 'auto';
  $('question').style.height = `${$('question').scrollHeight}px`;
}

function submit(event) {
  event.preventDefault();
  const question = $('question').value.trim();
  if (!question) return;
  if (nothingAsked()) { say('No document is ticked. Tick one under Sources, or press “Ask all”.'); return; }
  if (mode === 'search') { search(question); return; }
  const turn = { id: fresh(), question, filters: conditions(), form: $('form').value };
  $('question').value = '';
  grow();
  if (!thread.turns.length) enterThread(question, turn.filters);
  ask(turn);
}

const typing = target => target instanceof HTMLElement && (target.matches('input, textarea, select') || target.closest('dialog'));

// Escape closes the menu, and so does a press anywhere but on its name.
function closeMenu(pressed) {
  const menu = document.querySelector('.menu[open]');
  if (!menu || menu.firstChild.contains(pressed)) return false;
  if (menu.contains(document.activeElement)) menu.firstChild.focus();
  menu.open = false;
  return true;
}

function press(event) {
  if (event.key === 'Escape' && !document.querySelector('dialog[open]') && (hidePreview() || closeMenu() || stop() || closePane('side') || closePane('sources'))) { event.preventDefault(); return; }
  if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
  const cardOf = number => $('thread').lastElementChild?.querySelector(`[data-citation="${number}"]`);
  const citation = !$('thread').hidden && /^[1-9]$/.test(event.key) ? cardOf(event.key) : null;
  const does = {
    '/': () => { $('question').focus(); $('question').select(); }, d: toggleSources, '?': () => $('help').showModal(),
    n: turning.citations.length ? () => turn(1) : null, p: turning.citations.length ? () => turn(-1) : null,
  }[event.key] || (citation && (() => citation.click()));
  if (does) { event.preventDefault(); does(); }
}

function toggleSources() {
  if (!$('sources').hidden) closePane('sources');
  else showSources($('show-sources'));
}

async function whoAmI() {
  me = await getJson('/v1/me');
  $('mode-check').hidden = !me.features.includes('check');
  $('form-field').hidden = !me.features.includes('form');
  $('writes').checked = kept.get('writes', true);
  showWriter();
  $('show-account').hidden = !me.key;
  $('show-account').textContent = upright(me.key || '') + (me.may_write ? '' : ' (read only)');
  $('account-text').textContent = upright(`With the key “${me.key}” you can ask, search and read documents${me.may_write ? ', and add and delete them' : ', but not add or delete them'}.`);
}

async function whichCollections() {
  const { collections } = await getJson('/v1/collections').catch(() => ({ collections: [] }));
  $('collection').hidden = collections.length < 2;
  $('collection').replaceChildren(...collections.map(({ name }, i) => el('option', { value: i ? name : '' }, name)));
  $('collection').value = collection;
}

async function waitUntilReady() {
  for (;;) {
    try { await whoAmI(); await countDocuments(); await moveThreads(); await loadThreads(); say(''); whichCollections(); loadGrids().catch(() => {}); return; } catch (error) {
      if (error.status === 404 && collection) { useCollection(''); return; }
      if (error.status !== 503) { say(''); $('found').replaceChildren(problemBox(error, () => location.reload())); $('found').hidden = false; return; }
      say(error.message[0].toUpperCase() + error.message.slice(1), { busy: true });
      await pause(800);
    }
  }
}

$('ask').addEventListener('submit', submit);
$('question').addEventListener('input', grow);
$('question').addEventListener('keydown', event => {
  if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) { event.preventDefault(); if ($('stop').hidden) $('ask').requestSubmit(); }
});
$('stop').addEventListener('click', stop);
$('writes').addEventListener('change', switchWriter);
for (const name of MODES) $(`mode-${name}`).addEventListener('click', () => setMode(name));
$('show-sources').addEventListener('click', toggleSources);
$('welcome-add').addEventListener('click', async () => { await showSources($('welcome-add')); $('choose-file')?.click(); });
$('show-help').addEventListener('click', () => $('help').showModal());
$('show-account').addEventListener('click', () => $('account').showModal());
$('collection').addEventListener('change', () => useCollection($('collection').value));
$('new-name').addEventListener('input', () => { $('new-wrong').textContent = ''; });
$('new-form').addEventListener('submit', async event => {
  if (event.submitter?.value === 'cancel') return;
  event.preventDefault();
  try { useCollection((await (await postJson('/v1/collections', { name: $('new-name').value.trim() })).json()).name); } catch (error) { $('new-wrong').textContent = upright([error.message, error.hint].map(sentence).join(' ')); }
});
$('sign-out').addEventListener('click', () => {
  sessionStorage.removeItem('key');
  forgetUnsaved();
  kept.set('key', null);
  location.reload();
});
$('skip').addEventListener('click', event => { event.preventDefault(); $('question').focus(); });
$('home').addEventListener('click', event => { event.preventDefault(); closePane('side'); closePane('sources'); mode = 'ask'; leaveThread(); setMode('ask'); });
$('forget').addEventListener('click', () => { deleteThreads(threads, `${count(threads.length, 'thread')} deleted`); showRecent(); $('question').focus(); });
$('recent-search').addEventListener('input', () => later(async () => { await loadThreads($('recent-search').value); showRecent(); }));
addEventListener('hashchange', follow);
addEventListener('keydown', press);
addEventListener('click', event => closeMenu(event.target));
addEventListener('toggle', ({ target }) => {  // a menu opens to the left, where there is room
  if (!target.matches?.('.menu[open]')) return;
  const items = target.querySelector('.menu-items');
  items.classList.remove('rightward');
  items.classList.toggle('rightward', items.getBoundingClientRect().left < 0);
}, true);
watchDrops();
$('question').focus({ preventScroll: true });
const askingHint = $('asking-hint').textContent;
const isReady = waitUntilReady();
isReady.then(() => { if (!thread.turns.length) follow(); });  // one may have asked before
