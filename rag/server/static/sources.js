// Sources: what there is, which of it is asked, adding and deleting.

const pause = ms => new Promise(resolve => setTimeout(resolve, ms));
let me = { key: null, may_write: true, may_manage: false, features: [] };
let known = { folders: [], types: [] };
const ticked = { all: true, in: new Set(), out: new Set(), types: new Set() };  // documents and folders that are asked; `types` are not
const opened = new Set();  // folders whose content is shown
const uploads = [];

async function countDocuments() {
  const found = await getJson('/v1/sources?limit=1');
  known = found;
  showCount();
  $('welcome').hidden = found.total > 0 || thread.turns.length > 0;
  if (!me.may_write) {
    $('welcome-title').textContent = 'No documents yet';
    $('welcome-text').textContent = 'This key may ask, but not add documents.';
    $('welcome-add').hidden = true;
  }
  return found.total;
}

const showCount = () => { $('document-count').textContent = (known.total - leaving.size).toLocaleString('en'); };

// "a/b/c" and the folders around it, the innermost first.
const upwards = path => path.split('/').map((_, i, parts) => parts.slice(0, parts.length - i).join('/'));
const isAsked = path => !upwards(path).some(one => ticked.out.has(one)) && (ticked.all || upwards(path).some(one => ticked.in.has(one)));
const inside = (set, folder) => [...set].filter(one => one.startsWith(`${folder}/`));
const isPartly = folder => inside(isAsked(folder) ? ticked.out : ticked.in, folder).length > 0;

async function everythingIn(folder) {
  const found = [];
  for (let offset = 0; ; offset += 500) {
    const page = await getJson(`/v1/sources?limit=500&offset=${offset}&folder=${encodeURIComponent(folder)}`);
    if (!offset) found.push(...page.folders.map(({ name }) => folder ? `${folder}/${name}` : name));
    found.push(...page.documents.map(({ id }) => id));
    if (offset + 500 >= page.matching) return found;
  }
}

// Ticks or unticks a document or folder. Inside a folder that is not asked, all others of that folder stay unticked.
async function tick(path, on) {
  for (const set of [ticked.in, ticked.out]) [path, ...inside(set, path)].forEach(one => set.delete(one));
  const around = upwards(path).find(one => ticked.out.has(one));
  if (on && around) {
    const way = upwards(path);
    ticked.out.delete(around);
    for (const folder of way.slice(1, way.indexOf(around) + 1)) (await everythingIn(folder)).filter(one => !way.includes(one)).forEach(one => ticked.out.add(one));
  }
  if (on && !isAsked(path)) ticked.in.add(path);
  if (!on && isAsked(path)) ticked.out.add(path);
  const top = on || !ticked.all ? [] : await everythingIn('');
  if (top.length && top.every(one => ticked.out.has(one))) tickAll(false);
  showTicked();
}

function tickAll(on) {
  ticked.all = on;
  ticked.in.clear();
  ticked.out.clear();
  if (on) ticked.types.clear();
  showTicked();
}

function askOnly(path) {
  tickAll(true);
  tickAll(false);
  ticked.in.add(path);
  showTicked();
  if (narrowScreen.matches) openPanes().forEach(id => closePane(id));
  if ($('ask').hidden) setMode('ask');
  $('question').focus();
}

// The ticks as conditions of a question.
function tickedConditions() {
  const types = known.types.map(one => one.name).filter(name => ticked.types.has(name));
  return [...[...ticked.in].map(one => `source=${one}`), ...[...ticked.out].map(one => `source!=${one}`), ...types.map(name => `type!=${name}`)];
}

const nothingAsked = () => !ticked.all && !ticked.in.size;
const nameOf = path => path.split('/').at(-1);
const some = names => names.length > 3 ? `${names.slice(0, 2).join(', ')} and ${names.length - 2} more` : names.join(', ');

// Conditions as a person says them: "only lease.md, without drafts".
function inPlainWords(conditions) {
  const of = sign => conditions.filter(one => one.startsWith(`source${sign}`)).map(one => nameOf(one.slice(6 + sign.length)));
  const others = conditions.filter(one => !/^source!?=/.test(one)).map(one => one.replace(/^type!=/, 'no '));
  return [of('=').length ? `only ${some(of('='))}` : '', of('!=').length ? `without ${some(of('!='))}` : '', others.join(', ')].filter(Boolean).join('; ');
}

function showTicked() {
  for (const box of $('sources').querySelectorAll('[data-path]')) {
    box.checked = isAsked(box.dataset.path);
    box.indeterminate = box.dataset.folder !== undefined && isPartly(box.dataset.path);
  }
  for (const box of $('sources').querySelectorAll('[data-type]')) box.checked = !ticked.types.has(box.dataset.type);
  const words = nothingAsked() ? 'No document is ticked' : inPlainWords(tickedConditions());
  for (const line of document.querySelectorAll('.chosen')) {
    line.hidden = !words;
    line.replaceChildren(el('span', {}, nothingAsked() ? words : `${line.id ? 'Asks' : 'Checks against'} ${words}`), button(line.id ? 'Ask all' : 'Use all', () => tickAll(true), { class: 'quiet small' }));
  }
}

function tickBox(path, label, more = {}) {
  const box = el('input', { type: 'checkbox', 'data-path': path, 'aria-label': label, ...more, on: { change: () => tick(path, box.checked) } });
  return box;
}

function typeTicks() {
  if (known.types.length < 2) return [];
  return [el('details', {}, el('summary', {}, 'Types'), known.types.map(({ name, count: number }) => {
    const box = el('input', { type: 'checkbox', 'data-type': name, on: { change: () => { box.checked ? ticked.types.delete(name) : ticked.types.add(name); showTicked(); } } });
    return el('label', { class: 'tick' }, box, el('span', {}, name), el('span', { class: 'count' }, number.toLocaleString('en')));
  }))];
}

async function showSources(from) {
  const [head, heading] = paneHead('sources', 'Sources', '');
  const list = el('ul', { class: 'plain documents', 'aria-label': 'Documents' });
  const found = el('p', { class: 'small soft', role: 'status' });
  const search = el('input', { type: 'search', placeholder: 'Find by name', 'aria-label': 'Find documents by name', on: { input: () => later(() => fill(list, found, search.value)) } });
  openPane('sources', 'Sources', from, head, el('div', { class: 'pane-body' }, me.may_write ? adding() : null,
    el('div', { class: 'uploads', id: 'uploads', 'aria-live': 'polite' }, uploads.map(one => one.box), button('Clear', clearUploads, { class: 'quiet small clear', 'aria-label': 'Clear the list of added files' })),
    search, el('div', { class: 'row tick-row' }, found, el('span', {}, button('All', () => tickAll(true), { class: 'quiet small', 'aria-label': 'Tick all' }), button('None', () => tickAll(false), { class: 'quiet small', 'aria-label': 'Tick none' }))),
    list, el('div', { class: 'types' }), me.may_manage ? iconButton('add', 'New collection', () => $('new-collection').showModal(), { class: 'small' }) : null));
  $('show-sources').setAttribute('aria-expanded', 'true');
  heading.focus({ preventScroll: true });
  await fill(list, found, '');
}

const KINDS = {
  csv: 'tables (CSV)', docx: 'Word files', eml: 'mails', epub: 'e-books', html: 'web pages', htm: 'web pages', json: 'JSON files', jsonl: 'JSON files',
  md: 'Markdown files', mbox: 'mailboxes', pdf: 'PDF files', pptx: 'presentations', rst: 'reStructuredText files', txt: 'text files', xlsx: 'spreadsheets',
};
const NO_GUIDE = { types: [], first_date: '', last_date: '', subjects: [], questions: [], complete: true };
const NAMED_KINDS = 5;
const kindOf = (name, number) => number === 1 ? name.replace(/(?<=x)es$|s(?= \(|$)/, '') : name;  // "1 table (CSV)"

// "28 documents: 14 Markdown files, 5 text files, 9 others, dated 4 March 2025 to 3 June 2025", without those whose deletion can be undone.
function inventory({ types, first_date: first, last_date: last }) {
  const gone = [...leaving.values()].map(one => one.type);
  const left = types.map(({ name, count: number }) => [KINDS[name] || name, number - gone.filter(type => type === name).length]).filter(([, number]) => number > 0);
  const named = left.length === NAMED_KINDS + 1 ? left.length : NAMED_KINDS;  // the last kind is named, not called "other"
  const unnamed = left.slice(named).reduce((sum, [, number]) => sum + number, 0);
  const kinds = [...left.slice(0, named).map(([name, number]) => `${number.toLocaleString('en')} ${kindOf(name, number)}`), unnamed ? count(unnamed, 'other') : ''].filter(Boolean);
  const on = day => new Date(`${day}T00:00`).toLocaleDateString('en-GB', { day: 'numeric', month: 'long', year: 'numeric' });
  const dates = !first ? '' : first === last ? `, dated ${on(first)}` : `, dated ${on(first)} to ${on(last)}`;
  return [el('b', {}, count(known.total - leaving.size, 'document')), kinds.length ? `: ${kinds.join(', ')}${dates}` : dates];
}

// What is here, and questions that have an answer; the service looks for them while nobody asks.
let guiding = 0;
let guided = '';  // what it was made of, so that what has not changed keeps its focus
async function showGuide() {
  const mine = ++guiding;
  const atHome = () => mode === 'ask' && !thread.turns.length && known.total > leaving.size;
  for (let tries = 0; tries < 60 && mine === guiding; tries += 1) {
    const guide = atHome() ? await getJson('/v1/guide').catch(() => NO_GUIDE) : NO_GUIDE;
    if (mine !== guiding) return;
    $('guide').hidden = !guide.types.length || !atHome();
    const { subjects, questions, complete } = guide;
    const made = JSON.stringify([guide, known.total, [...leaving.keys()]]);
    if (made !== guided) $('guide').replaceChildren(el('div', {}, el('p', { class: 'soft small inventory' }, inventory(guide)),
      subjects.length ? el('p', { class: 'soft small subjects' }, el('b', {}, 'About '), subjects.join(' · ')) : null,
      questions.length ? el('h2', {}, 'Questions that they answer') : null, el('ul', { class: 'suggestions plain' }, questions.map(question => el('li', {}, button(question, () => { $('question').value = question; $('ask').requestSubmit(); }, { class: 'edged' }))))));
    guided = made;
    if (complete) return;
    await pause(3000);
  }
}

// Other tabs of this browser hear of documents that come and go; what others do is seen when the tab is looked at again, and soon
// while it is looked at.
const changes = 'BroadcastChannel' in window ? new BroadcastChannel('rag documents') : null;
changes?.addEventListener('message', event => { if (event.data === collection) seeChanges(); });
for (const [target, event] of [[document, 'visibilitychange'], [window, 'focus']]) target.addEventListener(event, () => { if (!document.hidden && me.features.length) seeChanges(); });

setInterval(async () => {
  if (document.hidden || !me.features.length) return;
  const { total, types } = await getJson('/v1/sources?limit=1').catch(() => known);
  if (JSON.stringify([total, types]) !== JSON.stringify([known.total, known.types])) seeChanges();
}, 10_000);

async function seeChanges() {
  await refill().catch(() => {});
  showGuide();
  loadGrids().catch(() => {});  // a sync may have changed answers
}

// The open pane's list again, after documents have come or gone.
async function refill() {
  await countDocuments();
  const list = $('sources').querySelector('.documents');
  if (list) await fill(list, $('sources').querySelector('.tick-row p'), $('sources').querySelector('input[type=search]').value);
}

let waiting = 0;
function later(what) {
  clearTimeout(waiting);
  waiting = setTimeout(what, 150);
}

function adding() {
  const pick = (more, name, sign) => {
    const input = el('input', { type: 'file', multiple: '', hidden: true, ...more, 'aria-label': name, on: { change: () => { add([...input.files]); input.value = ''; } } });
    return [iconButton(sign, name, () => input.click(), { class: more.id === 'file' ? 'primary small' : 'small edged', id: `choose-${more.id}` }), input];
  };
  return el('div', { class: 'adding', title: 'Or drop files anywhere' }, pick({ id: 'file' }, 'Add files', 'add'), pick({ id: 'folder', webkitdirectory: '' }, 'Add a folder', 'folder'));
}

let filled = 0;
// The list: the tree of folders, or with a `name` the documents that have it.
async function fill(list, found, name, offset = 0) {
  const mine = ++filled;
  try {
    const page = await getJson(`/v1/sources?limit=100&offset=${offset}&${name ? `name=${encodeURIComponent(name)}` : 'folder='}`);
    if (mine !== filled) return;
    known = { ...known, total: page.total, types: page.types };
    showCount();
    const focused = document.activeElement?.closest?.('.documents [data-path], .documents [data-open]')?.dataset;
    if (!offset && !name && page.folders.length === 1 && !page.documents.length) opened.add(page.folders[0].name);
    const rows = el('ul', {}, await rowsOf(page, '', offset, name ? () => fill(list, found, name, offset + 100) : null));
    if (mine !== filled) return;
    list.querySelector(':scope > .rest')?.remove();
    if (!offset) list.replaceChildren();
    list.append(...rows.childNodes);
    if (focused) [...list.querySelectorAll('[data-path], [data-open]')].find(one => (focused.path && one.dataset.path === focused.path) || (focused.open && one.dataset.open === focused.open))?.focus();
    found.textContent = name ? `${count(page.matching - leaving.size, 'document')} of ${(page.total - leaving.size).toLocaleString('en')}` : page.total ? 'Tick what to ask' : '';
    if (!page.total) list.append(el('li', { class: 'soft' }, 'No documents yet.'));
    $('sources').querySelector('.types')?.replaceChildren(...typeTicks());
    showTicked();
  } catch (error) {
    list.append(el('li', {}, problemBox(error, () => fill(list, found, name, offset))));
  }
}

// The rows of a folder's page; `further` shows the next page.
async function rowsOf(page, folder, offset, further = null) {
  const rows = offset || further ? [] : await Promise.all(page.folders.map(one => folderRow(folder ? `${folder}/${one.name}` : one.name, one)));
  rows.push(...page.documents.filter(one => !leaving.has(one.id)).map(documentRow));
  const unshown = page.matching - offset - page.documents.length;
  if (unshown > 0) {
    const next = further || (async () => { const more = await getJson(`/v1/sources?limit=100&offset=${offset + 100}&folder=${encodeURIComponent(folder)}`); rest.replaceWith(...await rowsOf(more, folder, offset + 100)); showTicked(); });
    const rest = el('li', { class: 'rest' }, button(`Show more (${unshown.toLocaleString('en')})`, next, { class: 'more' }));
    rows.push(rest);
  }
  return rows;
}

async function folderRow(path, { name, count: number }) {
  const within = el('ul', { class: 'plain', hidden: true });
  const show = async () => {
    const page = await getJson(`/v1/sources?limit=100&folder=${encodeURIComponent(path)}`);
    within.replaceChildren(...await rowsOf(page, path, 0));
    within.hidden = false;
    turner.setAttribute('aria-expanded', 'true');
    showTicked();
  };
  const turner = el('button', { type: 'button', class: 'turner', 'aria-expanded': 'false', 'data-open': path, on: { click: () => {
    if (!within.hidden) { opened.delete(path); within.hidden = true; turner.setAttribute('aria-expanded', 'false'); return; }
    opened.add(path);
    show();
  } } }, el('span', { class: 'arrow', 'aria-hidden': 'true' }, '›'), el('span', { class: 'off' }, 'Folder '), el('b', {}, name), el('span', { class: 'count' }, number.toLocaleString('en')));
  if (opened.has(path)) await show();
  return el('li', { class: 'folder' }, el('div', { class: 'source-row' }, tickBox(path, `Ask the folder ${path}`, { 'data-folder': '' }), turner,
    el('span', { class: 'row-acts' }, iconButton('only', 'Ask only', () => askOnly(path), { class: 'bare', 'aria-label': `Ask only the folder ${path}` }))), within);
}

function documentRow(found) {
  const about = [nameOf(found.id) === found.title ? '' : nameOf(found.id), found.date.replaceAll('-', '\u2011'), found.pages ? count(found.pages, 'page') : ''].filter(Boolean).join(' · ');
  return el('li', { 'data-document': found.id }, el('div', { class: 'source-row' }, tickBox(found.id, `Ask ${found.title}`),
    el('button', { type: 'button', class: 'open', title: found.id, on: { click: event => openCitation({ document_id: found.id, title: found.title }, event.currentTarget, []) } }, el('b', {}, found.title), about ? el('span', {}, about) : null),
    el('span', { class: 'row-acts' }, iconButton('only', 'Ask only', () => askOnly(found.id), { class: 'bare', 'aria-label': `Ask only ${found.title}` }),
      me.may_write ? iconButton('bin', 'Delete', event => remove(event.currentTarget.closest('li'), found), { class: 'bare danger', 'aria-label': `Delete ${found.title}` }) : null)));
}

const leaving = new Map();  // documents whose deletion can still be undone

function remove(row, found) {
  const next = row.nextElementSibling || row.previousElementSibling;
  leaving.set(found.id, found);
  row.remove();
  (next?.querySelector('.open, .turner') || $('choose-file'))?.focus();
  showCount();
  undoable(`${found.title} is deleted`, async () => {
    try { await request(addressOf(found.id), { method: 'DELETE', keepalive: true }); } catch (error) { say(error.message); }
    for (const set of [ticked.in, ticked.out]) set.delete(found.id);
    leaving.delete(found.id);
    await refill();
    showGuide();
    changes?.postMessage(collection);
  }, () => { leaving.delete(found.id); refill(); showGuide(); });
  refill();
  showGuide();
}

// Where a file is in the folder that was dropped or chosen; of a single file "".
const folderOf = file => (file.inFolder || file.webkitRelativePath || '').split('/').slice(0, -1).join('/');
const MANY = 5;

async function add(files) {
  if (!files.length || !me.may_write) return;
  if ($('sources').hidden) await showSources(null);
  const tally = files.length >= MANY ? tallyOf(files.length) : null;
  let shown = performance.now();
  for (let i = 0; i < files.length; i += 4) {
    await Promise.all(files.slice(i, i + 4).map(file => addOne(file, tally)));
    if (performance.now() - shown > 1500) { await refill(); shown = performance.now(); }  // what is there already can be asked
  }
  await refill();
  showGuide();
  changes?.postMessage(collection);
}

// Many files are one line that counts; those that fail have a line each.
function tallyOf(number) {
  const bar = el('progress', { max: String(number), value: '0', 'aria-label': `Adding ${number} files` });
  const words = el('span', {}, `Adding ${count(number, 'file')}`);
  const outcomes = {};
  keepBox(el('div', { class: 'upload whole' }, words, bar));
  return outcome => {
    outcomes[outcome] = (outcomes[outcome] || 0) + 1;
    bar.value += 1;
    const done = Object.entries(outcomes).map(([name, n]) => `${n.toLocaleString('en')} ${name}`).join(', ');
    words.textContent = bar.value < number ? `Adding ${count(number, 'file')}: ${done}` : `${count(number, 'file')}: ${done}`;
    if (bar.value >= number) bar.remove();
  };
}

function clearUploads() {
  const done = uploads.filter(one => !one.box.querySelector('progress'));
  done.forEach(one => { one.box.remove(); uploads.splice(uploads.indexOf(one), 1); });
  $('choose-file').focus();
}

function keepBox(box) {
  uploads.unshift({ box });
  uploads.splice(50).forEach(old => old.box.remove());
  $('uploads')?.prepend(box);
}

async function addOne(file, tally) {
  const name = [folderOf(file), file.name].filter(Boolean).join('/');
  const bar = el('progress', { max: '1', value: '0', 'aria-label': `Adding ${name}` });
  const words = el('span', {}, `Sending ${name}`);
  const box = el('div', { class: 'upload' }, words, bar);
  if (!tally) keepBox(box);
  const failed = (why, mayPass) => {
    tally ? keepBox(box) : null;
    tally?.('failed');
    box.classList.add('failed');
    const plain = [`${name}: `, `uploads/${name}: `].reduce((said, named) => said.replace(named, ''), why);
    const isSentence = plain.startsWith(`uploads/${name} `);
    words.textContent = upright(isSentence ? plain.replace('uploads/', '').replace(' unsupported format', ': unsupported format') : `${name}: ${plain}`);
    if (mayPass) box.append(button('Retry', () => { uploads.splice(uploads.findIndex(one => one.box === box), 1); box.remove(); $('choose-file')?.focus(); add([file]); }, { class: 'quiet small edged', 'aria-label': `Retry ${name}` }));
  };
  try {
    let job = await send(file, share => {
      bar.value = share;
      if (share === 1) { bar.removeAttribute('value'); words.textContent = upright(`Reading ${name}`); }
    });
    while (job.state !== 'done') { await pause(700); job = await getJson(`/v1/jobs/${job.id}`); }
    const rejected = job.files.find(one => one.outcome === 'rejected');
    const { outcome, detail } = job.files[0];
    if (rejected) failed(rejected.detail, false);  // the same file would be rejected again
    else {
      tally?.(outcome);
      words.textContent = upright(`${name}: ${outcome}${detail && ` (${detail})`}`);
      const id = job.files[0].document_ids[0];
      if (id) box.append(iconButton('only', 'Ask about it', () => askOnly(id), { class: 'small edged', 'aria-label': `Ask about it: ${name}` }));
    }
  } catch (error) {
    failed(error.message, passes(error));
  }
  bar.remove();
}

// With XMLHttpRequest, as fetch does not say how much of a body is sent.
function send(file, progress) {
  return new Promise((resolve, reject) => {
    const sending = new XMLHttpRequest();
    sending.open('POST', within(`/v1/documents${folderOf(file) ? `?folder=${encodeURIComponent(folderOf(file))}` : ''}`));
    for (const [name, value] of Object.entries(headers())) sending.setRequestHeader(name, value);
    sending.upload.onprogress = event => progress(event.loaded / event.total);
    sending.onerror = () => reject(new Problem({ detail: 'the connection broke' }));
    sending.onload = async () => {
      if (sending.status === 401) return askForKey(new Problem(JSON.parse(sending.responseText))).then(() => send(file, progress)).then(resolve, reject);
      let answer = { title: sending.statusText || 'Something went wrong', status: sending.status };
      try { answer = JSON.parse(sending.responseText); } catch { if (sending.status < 300) return reject(new Problem(answer)); } // a proxy's words
      return sending.status < 300 ? resolve(answer) : reject(new Problem(answer));
    };
    const form = new FormData();
    form.append('file', file);
    sending.send(form);
  });
}

// The files of what is dropped, those in folders too.
async function filesOf(items) {
  const found = [];
  const walk = async entry => {
    if (entry.isFile) found.push(Object.assign(await new Promise((resolve, reject) => entry.file(resolve, reject)), { inFolder: entry.fullPath.slice(1) }));
    else {
      const reader = entry.createReader();
      for (;;) {
        const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
        if (!some.length) break;
        for (const one of some) if (!one.name.startsWith('.')) await walk(one);
      }
    }
  };
  for (const entry of items.map(item => item.webkitGetAsEntry?.()).filter(Boolean)) await walk(entry);
  return found;
}

function watchDrops() {
  const files = event => event.dataTransfer && [...event.dataTransfer.types].includes('Files');
  const over = on => { $('drop').hidden = !on; };
  addEventListener('dragover', event => { if (files(event)) { event.preventDefault(); over(me.may_write); } });
  addEventListener('dragleave', event => { if (!event.relatedTarget) over(false); });
  addEventListener('drop', async event => {
    if (!files(event)) return;
    event.preventDefault();
    over(false);
    const plain = [...event.dataTransfer.files];
    const found = await filesOf([...event.dataTransfer.items]).catch(() => []);
    add(found.length ? found : plain);
  });
}
