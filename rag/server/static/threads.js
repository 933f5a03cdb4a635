// Threads: questions with their answers, kept in this browser only.

const MOST_THREADS = 40;
const threadsOf = collection ? `threads/${collection}` : 'threads';
let threads = kept.get(threadsOf, []);
const fresh = () => Math.random().toString(36).slice(2, 10);
let thread = { id: fresh(), title: '', turns: [] };

// What is kept of an answer: all that is shown, without the passages' texts and the receipt.
function slim(answer) {
  const { nearest, receipt, ...rest } = answer;
  return { ...rest, nearest: answer.answer === null ? nearest.slice(0, 3) : [] };
}

function saveThreads() {
  threads = threads.filter(one => one.turns.length).slice(0, MOST_THREADS);
  const plain = () => threads.map(one => ({ ...one, turns: one.turns.map(({ hits, error, ...turn }) => turn) }));
  while (!kept.set(threadsOf, plain()) && threads.length > 1) threads.pop();  // the storage is full: the oldest go
}

function newThread() {
  thread = { id: fresh(), title: '', turns: [] };
  return thread;
}

function keepTurn(turn) {
  if (!thread.turns.includes(turn)) thread.turns.push(turn);
  thread.title ||= turn.question;
  threads = [thread, ...threads.filter(one => one.id !== thread.id)];
  saveThreads();
}

function deleteThread(id) {
  threads = threads.filter(one => one.id !== id);
  saveThreads();
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
