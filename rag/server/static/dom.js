'use strict';
// Elements are made here and nowhere else. Text from documents becomes text nodes, never markup.

const $ = id => document.getElementById(id);

// Marks that turn the direction of writing make a name look like another (U+202E): shown as a replacement, of the same length.
const upright = text => String(text).replace(/[\u202A-\u202E\u2066-\u2069]/g, '\uFFFD');

function el(tag, properties = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name === 'on') Object.entries(value).forEach(([event, listener]) => made.addEventListener(event, listener));
    else if (name === 'class') made.className = value;
    else if (name === 'hidden' || name === 'disabled') made[name] = value;
    else made.setAttribute(name, value);
  }
  const wanted = children.flat(3).filter(child => child !== null && child !== undefined && child !== '');
  made.append(...wanted.map(child => typeof child === 'string' ? upright(child) : child));
  return made;
}

const button = (label, press, properties = {}) => el('button', { type: 'button', on: { click: press }, ...properties }, label);

const ICONS = {
  add: 'M12 5v14M5 12h14', again: 'M19 12a7 7 0 1 1-2-5l2 2M19 4v5h-5', check: 'M5 13l4 4L19 7', bin: 'M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13', copy: 'M9 9h10v11H9zM5 15V4h10',
  down: 'M17 13V4h3v9zM17 13l-4 7c-1.5 0-2.4-1-2-3l.8-3H5c-1 0-2-1-1.7-2L5 6c.3-1 1-2 2-2h10', folder: 'M4 7h6l2 2h8v10H4z',
  link: 'M10 14l4-4M9 11l-3 3a3 3 0 0 0 4 4l3-3M15 13l3-3a3 3 0 0 0-4-4l-3 3', only: 'M12 4a8 8 0 1 0 0 16 8 8 0 0 0 0-16M12 10a2 2 0 1 0 0 4 2 2 0 0 0 0-4',
  pencil: 'M4 20h4L19 9l-4-4L4 16z', save: 'M12 4v11M8 11l4 4 4-4M5 20h14', up: 'M7 11v9H4v-9zM7 11l4-7c1.5 0 2.4 1 2 3l-.8 3H19c1 0 2 1 1.7 2L19 18c-.3 1-1 2-2 2H7',
};

function icon(name) {
  const [picture, path] = ['svg', 'path'].map(tag => document.createElementNS('http://www.w3.org/2000/svg', tag));
  picture.setAttribute('viewBox', '0 0 24 24');
  picture.setAttribute('class', 'icon');
  picture.setAttribute('aria-hidden', 'true');
  path.setAttribute('d', ICONS[name]);
  picture.append(path);
  return picture;
}

// A button with an icon; its label is shown too, unless the class `bare` hides it.
const iconButton = (name, label, press, properties = {}) => el('button', { type: 'button', title: properties['aria-label'] || label, on: { click: press }, ...properties, class: `act ${properties.class || ''}` }, icon(name), el('span', { class: 'label-text' }, label));

class Problem extends Error {
  constructor(problem) {
    super(problem.detail || problem.title || 'Something went wrong');
    this.hint = problem.hint || '';
    this.status = problem.status || 0;
  }
}

// Kept in this browser alone; without storage (a private window may have none) things last as long as the tab.
const kept = {
  get(name, otherwise) { try { return JSON.parse(localStorage.getItem(name)) ?? otherwise; } catch { return otherwise; } },
  set(name, value) { try { localStorage.setItem(name, JSON.stringify(value)); return true; } catch { return false; } },
};

// The address that rag serve prints ends in #token=…: it signs this browser in, and the token leaves the address.
const signedIn = (async () => {
  const link = new URLSearchParams(location.hash.slice(1));
  const token = link.get('token');
  if (!token) return;
  sessionStorage.setItem('key', token);
  link.delete('token');
  history.replaceState(null, '', `${location.pathname}${link.size ? `#${link}` : ''}`);
  await signIn();
})();

// After this the cookie and what is kept for this origin replace the token. Without either the tab keeps the token.
async function signIn() {
  const response = await fetch('/v1/session', { method: 'POST', headers: headers() }).catch(() => null);
  const { page } = response?.ok ? await response.json() : {};
  if (page && kept.set('page', page)) sessionStorage.removeItem('key');
}

// Whether the same request may succeed later: the service was not reached, busy or broken.
const passes = error => !error.status || error.status >= 500 || [408, 425, 429].includes(error.status);

const problemOf = async response => new Problem(await response.json().catch(() => ({ title: response.statusText, status: response.status })));

function headers(more = {}) {
  const key = sessionStorage.getItem('key') || kept.get('key', '');
  const page = kept.get('page', '');
  return key ? { ...more, Authorization: `Bearer ${key}` } : page ? { ...more, 'X-Rag-Page': page } : more;
}

// What is under /v1/ is there for each collection too; the tab keeps which one is asked. A link to a place or a question says which
// one it is from, or nothing for the default one.
function collectionAsked() {
  const link = new URLSearchParams(location.hash.slice(1));
  if (['document', 'q', 'grid'].some(field => link.has(field))) keepCollection(link.get('collection'));
  return sessionStorage.getItem('collection') || '';
}

function keepCollection(name) {
  name ? sessionStorage.setItem('collection', name) : sessionStorage.removeItem('collection');
}

const collection = collectionAsked();
const within = path => collection && !path.startsWith('/v1/collections') ? path.replace('/v1/', `/v1/collections/${encodeURIComponent(collection)}/`) : path;

function useCollection(name) {
  keepCollection(name);
  location.assign(location.pathname);
}

// The fields of a link that name the collection.
const fromHere = collection ? { collection } : {};

// A request; where a key is needed it is asked for, and the request made again.
async function request(path, options = {}) {
  await signedIn;
  const response = await fetch(within(path), { ...options, headers: headers(options.headers) }).catch(error => {
    if (error.name === 'AbortError') throw error;
    throw new Problem({ detail: 'The service cannot be reached', hint: 'Is rag serve still running?' });
  });
  if (response.status === 401) {
    await askForKey(await problemOf(response));
    return request(path, options);
  }
  if (!response.ok) throw await problemOf(response);
  return response;
}

const getJson = async path => (await request(path)).json();
// The blocks of a part of a document, page by page.
async function getBlocks(range) {
  const all = [];
  for (let after = 0; after !== null;) {
    const { blocks, next } = await getJson(`/v1/blocks?${range}&after=${after}`);
    all.push(...blocks);
    after = next;
  }
  return all;
}
const longestOnLeaving = 60000;  // bytes: a browser sends up to 64 KiB for a page that is left

// What is put is kept even if the page is left or loaded again at once.
const sendJson = method => (path, value, signal) => {
  const body = JSON.stringify(value);
  const keepalive = method === 'PUT' && new Blob([body]).size < longestOnLeaving;
  return request(path, { method, signal, keepalive, headers: { 'Content-Type': 'application/json' }, body });
};
const [postJson, putJson] = [sendJson('POST'), sendJson('PUT')];

let keyAsked = null;  // several requests may be refused at once; they wait for one answer

function askForKey(why) {
  const dialog = $('key');
  $('key-title').textContent = upright(sentence(why.message));
  $('key-hint').textContent = upright(sentence(why.hint));
  if (!dialog.open) dialog.showModal();
  keyAsked ??= new Promise(resolve => {
    $('key-form').addEventListener('submit', async () => {
      kept.set('key', null);
      sessionStorage.setItem('key', $('key-value').value.trim().replace(/^.*#token=/, ''));
      await signIn();
      if ($('key-stay').checked && sessionStorage.getItem('key')) kept.set('key', sessionStorage.getItem('key'));
      $('key-value').value = '';
      keyAsked = null;
      resolve();
    }, { once: true });
  });
  return keyAsked;
}

const sentence = words => words ? `${words[0].toUpperCase()}${words.slice(1)}`.replace(/([^.!?])$/, '$1.') : '';

function problemBox(error, again, remedy = null) {
  return el('div', { class: 'problem', role: 'alert' }, el('b', {}, sentence(error.message)),
    error.hint ? el('p', { class: 'soft' }, sentence(error.hint)) : null,
    again && passes(error) ? button('Try again', again, { class: 'small more' }) : null, remedy);
}

async function toClipboard(text, from, label) {
  const done = await navigator.clipboard?.writeText(text).then(() => true, () => false);
  from.textContent = done ? 'Copied' : 'Copying is blocked';
  setTimeout(() => { from.textContent = label; }, 1500);
}

const download = (name, text) => downloadFile(name, new Blob([text], { type: 'text/plain' }));

function downloadFile(name, blob) {
  const address = URL.createObjectURL(blob);
  el('a', { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 1000);
}

// Server-sent events of a response, each as [name, data].
async function* eventsOf(response) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split('\n\n');
    rest = blocks.pop();
    for (const block of blocks) {
      const [name, data] = block.split('\n');
      yield [name.slice('event: '.length), JSON.parse(data.slice('data: '.length))];
    }
  }
}

// A deletion that can be undone for some seconds; it happens after them, or when the page is left or a question is asked.
const undos = new Set();

function undoable(words, commit, restore) {
  const end = act => async () => {
    if (!undos.delete(one)) return;
    clearTimeout(timer);
    row.remove();
    await act();
  };
  const one = { commit: end(commit) };
  const row = el('div', { class: 'undo' }, el('span', {}, words), button('Undo', end(restore), { class: 'small' }));
  const timer = setTimeout(one.commit, 8000);
  undos.add(one);
  $('undos').append(row);
  return one;
}

const commitDeletions = () => Promise.all([...undos].map(one => one.commit()));
addEventListener('pagehide', commitDeletions);
