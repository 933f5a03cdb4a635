// The side pane: one document, opened where it is cited.

const AROUND = 20000;
let cameFrom = null;

function openSide(label, from, ...children) {
  if (from) cameFrom = from;
  $('side').replaceChildren(...children);
  $('side').setAttribute('aria-label', label);
  $('side').hidden = false;
  document.querySelector('.layout').classList.add('split');
}

function closeSide() {
  if ($('side').hidden) return false;
  $('side').hidden = true;
  $('side').replaceChildren();
  document.querySelector('.layout').classList.remove('split');
  $('show-documents').setAttribute('aria-expanded', 'false');
  document.querySelectorAll('.card[aria-current]').forEach(card => card.removeAttribute('aria-current'));
  (cameFrom && cameFrom.isConnected ? cameFrom : $('question')).focus();
  cameFrom = null;
  return true;
}

function sideHead(title, under) {
  const heading = el('h2', { tabindex: '-1' }, title);
  const head = el('div', { class: 'side-head' }, el('div', {}, heading, el('p', { class: 'small soft' }, under)),
    button('×', closeSide, { class: 'quiet close', 'aria-label': 'Close', title: 'Close (Esc)' }));
  return [head, heading];
}

const addressOf = id => `/v1/documents/${id.split('/').map(encodeURIComponent).join('/')}`;

async function openCitation(citation, from) {
  document.querySelectorAll('.card[aria-current]').forEach(card => card.removeAttribute('aria-current'));
  if (from && from.classList.contains('card')) from.setAttribute('aria-current', 'true');
  const [head, heading] = sideHead(citation.title, citation.document_id);
  const body = el('div', { class: 'side-body', tabindex: '0', role: 'region', 'aria-label': `Text of ${citation.title}` }, el('p', { class: 'soft' }, 'Opening…'));
  openSide(citation.title, from, head, body);
  heading.focus({ preventScroll: true });
  try {
    const address = addressOf(citation.document_id);
    const [detail, bytes] = await Promise.all([getJson(address), request(`${address}/text`).then(response => response.arrayBuffer())]);
    const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
    body.replaceChildren(...documentView(text, detail, citation, body));
    const found = body.querySelector('mark') || body.querySelector('.sentence');
    if (found) found.scrollIntoView({ block: 'center' });
  } catch (error) {
    body.replaceChildren(problemBox(error));
  }
}

// The document's text, of a long one the part around what is cited.
function documentView(text, detail, citation, body) {
  const ranges = rangesOf(text, detail, citation);
  const at = ranges.focus;
  const view = el('div', { class: 'document', dir: 'auto' });
  let from = Math.max(0, at - AROUND), to = Math.min(text.length, at + AROUND);
  const before = button('Show what comes before', () => show(Math.max(0, from - 10 * AROUND), to), { class: 'more' });
  const after = button('Show what comes after', () => show(from, Math.min(text.length, to + 10 * AROUND)), { class: 'more' });
  const whole = index => index > 0 && index < text.length && /[\udc00-\udfff]/.test(text[index]) ? index + 1 : index;
  function show(a, b) {
    const height = body.scrollHeight - body.scrollTop;
    const moved = a < from;
    from = whole(a);
    to = whole(b);
    view.replaceChildren(...marked(text, ranges.all, from, to));
    before.hidden = from === 0;
    after.hidden = to === text.length;
    if (moved) body.scrollTop = body.scrollHeight - height;
  }
  show(from, to);
  return [before, view, after];
}

function rangesOf(text, detail, citation) {
  const all = [];
  const starts = units(text, detail.sections.map(section => section.start));
  detail.sections.forEach((section, i) => {
    const end = text.indexOf('\n', starts[i]);
    if (section.headings.length) all.push([starts[i], end < 0 ? text.length : end, 'span', 'heading']);
  });
  if (citation.start_char_index === undefined) return { all, focus: 0 };
  const [first, last] = units(text, [citation.start_char_index, citation.end_char_index]);
  all.push([first, last, 'span', 'sentence']);
  if (citation.highlight) {
    const [start, end] = units(text, [citation.highlight.start_char_index, citation.highlight.end_char_index]);
    all.push([start, end, 'mark', '']);
  }
  return { all, focus: first };
}

function problemBox(error) {
  return el('div', { class: 'problem', role: 'alert' }, el('b', {}, error.message), error.hint ? el('p', { class: 'soft' }, error.hint) : null);
}
