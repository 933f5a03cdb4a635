// Sources: what there is, which of it is asked, adding and deleting.

const pause = ms => new Promise(resolve => setTimeout(resolve, ms));
let me = { key: null, may_write: true, features: [] };
let known = { folders: [], types: [] };
const left = { folders: new Set(), types: new Set() };  // what is not asked
const uploads = [];

async function countDocuments() {
  const found = await getJson('/v1/sources?limit=1');
  known = found;
  $('document-count').textContent = found.total.toLocaleString('en');
  $('welcome').hidden = found.total > 0 || thread.turns.length > 0;
  if (!me.may_write) {
    $('welcome-title').textContent = 'No documents yet';
    $('welcome-text').textContent = 'This key may ask, but not add documents.';
    $('welcome-add').hidden = true;
  }
  return found.total;
}

// The ticks as conditions: "source=a" where one is asked, "source!=b" for each that is not where several are.
function ticked() {
  const conditions = [];
  for (const [kind, key] of [['folders', 'source'], ['types', 'type']]) {
    const names = known[kind].map(one => one.name);
    const out = names.filter(name => left[kind].has(name));
    if (!out.length || out.length === names.length) continue;
    conditions.push(...(names.length - out.length === 1 ? names.filter(name => !left[kind].has(name)).map(name => `${key}=${name}`) : out.map(name => `${key}!=${name}`)));
  }
  return conditions;
}

function showTicked() {
  const asked = kind => known[kind].filter(one => !left[kind].has(one.name)).map(one => one.name);
  const narrowed = ['folders', 'types'].filter(kind => left[kind].size && asked(kind).length);
  $('chosen').hidden = !narrowed.length;
  $('chosen').replaceChildren(el('span', {}, `Only ${narrowed.map(kind => asked(kind).join(', ')).join('; ')}`),
    button('Ask all', () => { left.folders.clear(); left.types.clear(); showTicked(); if (!$('sources').hidden) showSources(null); }, { class: 'quiet small' }));
}

function ticks(kind, title) {
  if (known[kind].length < 2) return null;
  return el('fieldset', {}, el('legend', {}, title), known[kind].map(({ name, count: number }) => {
    const box = el('input', { type: 'checkbox', on: { change: () => { box.checked ? left[kind].delete(name) : left[kind].add(name); showTicked(); } } });
    box.checked = !left[kind].has(name);
    return el('label', { class: 'tick' }, box, el('span', {}, name), el('span', { class: 'count' }, number.toLocaleString('en')));
  }));
}

function ticksOfAll() {
  const made = [ticks('folders', 'Folders'), ticks('types', 'Types')].filter(Boolean);
  return made.length ? [el('p', { class: 'small soft' }, 'Untick what should not be searched.'), ...made] : [];
}

function showTicks() {
  $('sources').querySelector('.ticks')?.replaceChildren(...ticksOfAll());
}

async function showSources(from) {
  const [head, heading] = paneHead('sources', 'Sources', me.may_write ? 'Drop files anywhere to add.' : '');
  const list = el('ul', { class: 'plain documents', 'aria-label': 'Documents' });
  const found = el('p', { class: 'small soft', role: 'status' });
  const search = el('input', { type: 'search', placeholder: 'Find by name', 'aria-label': 'Find documents by name', on: { input: () => later(() => fill(list, found, search.value)) } });
  const narrowing = el('div', { class: 'ticks' });
  openPane('sources', 'Sources', from, head, el('div', { class: 'pane-body' }, me.may_write ? adding() : null,
    el('div', { class: 'uploads', id: 'uploads', 'aria-live': 'polite' }, uploads.map(one => one.box), button('Clear', clearUploads, { class: 'quiet small clear', 'aria-label': 'Clear the list of added files' })), narrowing, search, found, list));
  $('show-sources').setAttribute('aria-expanded', 'true');
  heading.focus({ preventScroll: true });
  await fill(list, found, '');
  showTicks();
}

let waiting = 0;
function later(what) {
  clearTimeout(waiting);
  waiting = setTimeout(what, 150);
}

function adding() {
  const pick = (more, name) => {
    const input = el('input', { type: 'file', multiple: '', hidden: true, ...more, 'aria-label': name, on: { change: () => { add([...input.files]); input.value = ''; } } });
    return [button(name, () => input.click(), { class: more.id === 'file' ? 'primary small' : 'quiet small edged', id: `choose-${more.id}` }), input];
  };
  return el('div', { class: 'dropzone' }, el('p', { class: 'small' }, 'PDF, Word, Markdown, HTML, mail, tables, text'), pick({ id: 'file' }, 'Choose files'), pick({ id: 'folder', webkitdirectory: '' }, 'Choose a folder'));
}

let filled = 0;
async function fill(list, found, name, offset = 0) {
  const mine = ++filled;
  try {
    const page = await getJson(`/v1/sources?limit=100&offset=${offset}&name=${encodeURIComponent(name)}`);
    if (mine !== filled) return;
    known = page;
    // A row that asks whether to delete stays: the list is also filled when files have been added.
    const asking = new Map([...list.querySelectorAll('li:has(.sure-to-delete)')].map(row => [row.dataset.document, row]));
    const focused = document.activeElement;
    if (!offset) list.replaceChildren();
    list.querySelector('.rest')?.remove();
    list.append(...page.documents.map(one => asking.get(one.id) || documentRow(one)));
    if (list.contains(focused)) focused.focus();
    found.textContent = name ? `${count(page.matching, 'document')} of ${page.total.toLocaleString('en')}` : '';
    const shown = offset + page.documents.length;
    if (shown < page.matching) list.append(el('li', { class: 'rest' }, button(`Show more (${(page.matching - shown).toLocaleString('en')})`, () => fill(list, found, name, shown), { class: 'more' })));
    if (!page.total) list.append(el('li', { class: 'soft' }, 'No documents yet.'));
  } catch (error) {
    list.append(el('li', {}, problemBox(error, () => fill(list, found, name, offset))));
  }
}

function documentRow(found) {
  const row = el('li', { 'data-document': found.id });
  const about = [found.date, found.pages ? count(found.pages, 'page') : ''].filter(Boolean).map(words => [' · ', el('span', { class: 'whole' }, words)]);
  row.append(el('button', { type: 'button', class: 'open', on: { click: event => openCitation({ document_id: found.id, title: found.title }, event.currentTarget, []) } }, el('b', {}, found.title), el('span', {}, found.id, about)));
  if (me.may_write) row.append(button('Delete', () => confirmDelete(row, found), { class: 'quiet small delete', 'aria-label': `Delete ${found.title}` }));
  return row;
}

function confirmDelete(row, found) {
  const before = [...row.children];
  const yes = button('Delete it', () => remove(row, found), { class: 'danger small edged' });
  row.replaceChildren(el('span', { class: 'sure-to-delete' }, `Delete ${found.title}?`), yes, button('Keep', () => { row.replaceChildren(...before); before[1].focus(); }, { class: 'quiet small edged' }));
  yes.focus();
}

async function remove(row, found) {
  try {
    await request(addressOf(found.id), { method: 'DELETE' });
    const next = row.nextElementSibling || row.previousElementSibling;
    row.remove();
    say(`${found.title} is deleted`);
    ((next && next.querySelector('button')) || $('choose-file')).focus();
    await countDocuments();
    showTicks();
  } catch (error) {
    row.replaceChildren(problemBox(error));
  }
}

// Where a file is in the folder that was dropped or chosen; of a single file "".
const folderOf = file => (file.inFolder || file.webkitRelativePath || '').split('/').slice(0, -1).join('/');
const MANY = 5;

async function add(files) {
  if (!files.length || !me.may_write) return;
  if ($('sources').hidden) await showSources(null);
  const tally = files.length >= MANY ? tallyOf(files.length) : null;
  for (let i = 0; i < files.length; i += 4) await Promise.all(files.slice(i, i + 4).map(file => addOne(file, tally)));
  await countDocuments();
  const list = $('sources').querySelector('.documents');
  if (list) await fill(list, list.previousElementSibling, $('sources').querySelector('input[type=search]').value);
  showTicks();
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
  const failed = why => {
    tally ? keepBox(box) : null;
    tally?.('failed');
    box.classList.add('failed');
    const plain = [`${name}: `, `uploads/${name}: `, `uploads/${name} `].reduce((said, named) => said.replace(named, ''), why);
    words.textContent = upright(`${name}: ${plain}`);
    box.append(button('Retry', () => { uploads.splice(uploads.findIndex(one => one.box === box), 1); box.remove(); $('choose-file')?.focus(); add([file]); }, { class: 'quiet small edged', 'aria-label': `Retry ${name}` }));
  };
  try {
    let job = await send(file, share => {
      bar.value = share;
      if (share === 1) { bar.removeAttribute('value'); words.textContent = upright(`Reading ${name}`); }
    });
    while (job.state !== 'done') { await pause(700); job = await getJson(`/v1/jobs/${job.id}`); }
    const rejected = job.files.find(one => one.outcome === 'rejected');
    const { outcome, detail } = job.files[0];
    if (rejected) failed(rejected.detail);
    else {
      tally?.(outcome);
      words.textContent = upright(`${name}: ${outcome}${detail && ` (${detail})`}`);
    }
  } catch (error) {
    failed(error.message);
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
