// Documents: what there is, adding and deleting.

const pause = ms => new Promise(resolve => setTimeout(resolve, ms));

async function countDocuments() {
  const { total } = await getJson('/v1/documents?limit=1');
  $('document-count').textContent = total.toLocaleString('en');
  $('welcome').hidden = total > 0;
  if (total) $('asking-hint').textContent = `${count(total, 'document')}. Every answer is quoted from one of them, or it is not given.`;
  return total;
}

async function showDocuments(from) {
  const [head, heading] = sideHead('Documents', 'What can be asked. Drop files anywhere to add them.');
  const list = el('ul', { class: 'plain documents', 'aria-label': 'Documents' });
  const input = el('input', { type: 'file', multiple: '', hidden: true, id: 'file', 'aria-label': 'Files to add', on: { change: () => { add([...input.files]); input.value = ''; } } });
  const zone = el('div', { class: 'dropzone' }, el('p', {}, 'PDF, Word, Markdown, HTML, text and more'),
    button('Choose files', () => input.click(), { class: 'primary', id: 'choose' }), input);
  const uploads = el('div', { class: 'uploads', id: 'uploads', 'aria-live': 'polite' });
  const search = el('input', { type: 'search', placeholder: 'Find by name', 'aria-label': 'Find documents by name', on: { input: () => narrow(list, search.value) } });
  openSide('Documents', from, head, el('div', { class: 'side-body' }, zone, uploads, search, list));
  $('show-documents').setAttribute('aria-expanded', 'true');
  heading.focus({ preventScroll: true });
  await fill(list, '');
}

function narrow(list, wanted) {
  for (const item of list.children) item.hidden = !item.textContent.toLowerCase().includes(wanted.toLowerCase());
}

async function fill(list, after) {
  try {
    const page = await getJson(`/v1/documents?limit=200&after=${encodeURIComponent(after)}`);
    list.querySelector('.rest')?.remove();
    list.append(...page.documents.map(documentRow));
    if (page.next) list.append(el('li', { class: 'rest' }, button('Show more', () => fill(list, page.next), { class: 'more' })));
    if (!page.total) list.append(el('li', { class: 'soft' }, 'There are none yet.'));
  } catch (error) {
    list.append(el('li', {}, problemBox(error)));
  }
}

function documentRow(found) {
  const row = el('li', { 'data-document': found.id });
  const remove = button('Delete', () => confirmDelete(row, found), { class: 'quiet small', 'aria-label': `Delete ${found.title}` });
  row.append(button('', event => openCitation({ document_id: found.id, title: found.title }, event.currentTarget), { class: 'open' }), remove);
  row.firstChild.append(el('b', {}, found.title), el('span', {}, found.id));
  return row;
}

function confirmDelete(row, found) {
  const before = [...row.children];
  const yes = button('Delete it', () => remove(row, found), { class: 'danger small' });
  row.replaceChildren(el('span', { class: 'grow' }, `Delete ${found.title}?`), yes, button('Keep', () => { row.replaceChildren(...before); before[1].focus(); }, { class: 'quiet small' }));
  yes.focus();
}

async function remove(row, found) {
  try {
    await request(addressOf(found.id), { method: 'DELETE' });
    const next = row.nextElementSibling || row.previousElementSibling;
    row.remove();
    say(`${found.title} is deleted`);
    ((next && next.querySelector('button')) || $('choose')).focus();
    await countDocuments();
  } catch (error) {
    row.replaceChildren(problemBox(error));
  }
}

async function add(files) {
  if (!$('uploads')) await showDocuments(null);
  await Promise.all(files.map(addOne));
  await countDocuments();
  const list = $('side').querySelector('.documents');
  if (list) { list.replaceChildren(); await fill(list, ''); }
}

async function addOne(file) {
  const bar = el('progress', { max: '1', value: '0', 'aria-label': `Adding ${file.name}` });
  const words = el('span', {}, `Sending ${file.name}`);
  const box = el('div', { class: 'upload' }, words, bar);
  $('uploads').append(box);
  try {
    let job = await send(file, share => {
      bar.value = share;
      if (share === 1) { bar.removeAttribute('value'); words.textContent = `Reading ${file.name}`; }
    });
    while (job.state !== 'done') { await pause(700); job = await getJson(`/v1/jobs/${job.id}`); }
    const rejected = job.files.filter(one => one.outcome === 'rejected');
    const { outcome, detail } = job.files[0];
    words.textContent = `${file.name}: ${rejected.length ? detail : outcome + (detail && ` (${detail})`)}`;
    box.classList.toggle('failed', rejected.length > 0);
  } catch (error) {
    words.textContent = `${file.name}: ${error.message}`;
    box.classList.add('failed');
  }
  bar.remove();
}

// With XMLHttpRequest, as fetch does not say how much of a body is sent.
function send(file, progress) {
  return new Promise((resolve, reject) => {
    const sending = new XMLHttpRequest();
    sending.open('POST', '/v1/documents');
    for (const [name, value] of Object.entries(headers())) sending.setRequestHeader(name, value);
    sending.upload.onprogress = event => progress(event.loaded / event.total);
    sending.onerror = () => reject(new Problem({ detail: 'the connection broke' }));
    sending.onload = async () => {
      if (sending.status === 401) return askForKey('').then(() => send(file, progress)).then(resolve, reject);
      let answer = { title: sending.statusText || 'It did not work', status: sending.status };
      try { answer = JSON.parse(sending.responseText); } catch { if (sending.status < 300) return reject(new Problem(answer)); } // a proxy's words
      return sending.status < 300 ? resolve(answer) : reject(new Problem(answer));
    };
    const form = new FormData();
    form.append('file', file);
    sending.send(form);
  });
}
