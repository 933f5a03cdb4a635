// Threads: questions with their answers, which the service keeps for the key.

const fresh = () => Math.random().toString(36).slice(2, 10);
let threads = [];  // the latest ones, with `turns` where they are open
let thread = { id: fresh(), title: '', turns: [] };

async function loadThreads(search = '') {
  const found = (await getJson(`/v1/threads?search=${encodeURIComponent(search)}`)).threads.filter(one => !leavingThreads.has(one.id));
  threads = found.map(one => one.id === thread.id ? Object.assign(thread, one) : one);
}

// Threads of an earlier version were kept in the browser: the service takes them over.
async function moveThreads() {
  const name = collection ? `threads/${collection}` : 'threads';
  for (const one of kept.get(name, []).reverse()) await saveThread(one);
  kept.set(name, []);
}

// A thread with its turns; null if it is gone.
async function threadOf(id) {
  if (thread.id === id && thread.turns.length) return thread;
  const unsaved = unsavedThread(id);
  if (unsaved) {
    saveThread(unsaved);
    return unsaved;
  }
  return id ? getJson(`/v1/threads/${id}`).catch(error => { if (error.status === 404) return null; throw error; }) : null;
}

// What is kept of an answer: all that is shown, without the passages' texts and the receipt.
function slim(answer) {
  const { nearest, receipt, ...rest } = answer;
  return { ...rest, nearest: answer.answer === null ? nearest.slice(0, 3) : [] };
}

// The tab keeps a thread until the service has it: the page may be loaded again before.
const unsavedName = id => `unsaved/${id}`;
const unsavedThread = id => JSON.parse(sessionStorage.getItem(unsavedName(id)));

function keepUnsaved(name, value) {
  try { sessionStorage.setItem(name, value); } catch { sessionStorage.removeItem(name); }  // the tab has no room for it
}

function forgetUnsaved() {
  const names = Object.keys(sessionStorage);
  names.filter(name => name.startsWith(unsavedName(''))).forEach(name => sessionStorage.removeItem(name));
}

async function saveThread(one = thread) {
  const turns = one.turns.map(({ hits, error, writing, ...turn }) => turn);
  const title = one.title || turns[0].question;
  const name = unsavedName(one.id);
  const value = JSON.stringify({ id: one.id, title, turns });
  keepUnsaved(name, value);
  try {
    await putJson(`/v1/threads/${one.id}`, { title, turns });
    if (sessionStorage.getItem(name) === value) sessionStorage.removeItem(name);  // else a later turn is on its way
  } catch (error) { say(`The thread is not kept. ${sentence(error.message)}`); }
}

function newThread() {
  thread = { id: fresh(), title: '', turns: [] };
  return thread;
}

function keepTurn(turn) {
  if (!thread.turns.includes(turn)) thread.turns.push(turn);
  thread.title ||= turn.question;
  thread.updated = Date.now() / 1000;
  threads = [thread, ...threads.filter(one => one.id !== thread.id)];
  saveThread();
}

const leavingThreads = new Set();  // whose deletion can still be undone

// The threads leave the list, and for good if that is not undone.
function deleteThreads(those, words) {
  those.forEach(one => { leavingThreads.add(one.id); sessionStorage.removeItem(unsavedName(one.id)); });
  threads = threads.filter(one => !leavingThreads.has(one.id));
  const shown = () => { if (!thread.turns.length) return loadThreads().then(showRecent); };
  undoable(words, async () => {
    await Promise.all(those.map(one => request(`/v1/threads/${one.id}`, { method: 'DELETE', keepalive: true }).catch(() => {})));
    those.forEach(one => leavingThreads.delete(one.id));
  }, () => { those.forEach(one => leavingThreads.delete(one.id)); return shown(); });
}

// The turns before one, as the service takes them.
function conversation(turn) {
  const at = thread.turns.indexOf(turn);
  return thread.turns.slice(0, at < 0 ? thread.turns.length : at).filter(one => one.answer).slice(-20).map(({ answer }) => ({
    question: answer.question, answer: answer.answer, documents: [...new Set(answer.citations.map(citation => citation.document_id))].slice(0, 50) }));
}

// Headings and page of a place; what the title says already is left out.
const partsOf = cited => [...(cited.headings || []).filter(heading => !(cited.title || '').startsWith(heading)), ...(cited.page ? [`page ${cited.page}`] : [])];
const placeOf = cited => [cited.title, ...partsOf(cited)].join(' › ');

const linkToPlace = citation => {
  const link = new URLSearchParams({ ...fromHere, document: citation.document_id });
  const at = citation.highlight || citation;
  if (at.start_char_index !== undefined) { link.set('start', at.start_char_index); link.set('end', at.end_char_index); }
  return `${location.origin}${location.pathname}#${link}`;
};

function quotedPlain(answer) {
  if (answer.answer === null) return `${answer.question}\n${answer.form === 'talk' ? '' : 'Not found. '}${reasonOf(answer)}`;
  const from = answer.citations.map(citation => `[${citation.index}] “${citation.cited_text}” (${placeOf(citation)}, ${citation.document_id})`);
  return [answer.answer, '', ...from].join('\n');
}

const escaped = text => text.replace(/([\\`*_[\]<>#|])/g, '\\$1').replace(/\s*\n\s*/g, ' ');

function quotedMarkdown(answer) {
  if (answer.answer === null) return `${answer.form === 'talk' ? '' : '*Not found.* '}${escaped(reasonOf(answer))}`;
  const from = answer.citations.map(citation => `> ${escaped(citation.cited_text)}\n>\n> [${citation.index}] [${escaped(placeOf(citation))}](${linkToPlace(citation)})`);
  return [answer.answer.split('\n').map(escaped).join('  \n'), ...from].join('\n\n');
}

const threadMarkdown = one => [`# ${escaped(one.title)}`, ...one.turns.flatMap(turn =>
  [`## ${escaped(turn.question)}`, turn.answer ? quotedMarkdown(turn.answer) : `*${escaped(turn.problem || 'stopped')}*`])].join('\n\n') + '\n';
