// The panes beside the thread, and in the right one a document, opened where it is cited.

const AROUND = 12000;
const narrowScreen = matchMedia('(max-width: 56rem)');
const cameFrom = {};

const openPanes = () => ['side', 'sources'].filter(id => !$(id).hidden);

// On a narrow screen a pane covers the page: it is a dialog, what is behind cannot be reached, and Back closes it.
function becomeDialogs() {
  const top = narrowScreen.matches ? openPanes()[0] : null;
  for (const id of ['side', 'sources']) {
    const dialog = id === top;
    dialog ? $(id).setAttribute('role', 'dialog') : $(id).removeAttribute('role');
    dialog ? $(id).setAttribute('aria-modal', 'true') : $(id).removeAttribute('aria-modal');
    $(id).inert = !!top && id !== top;
  }
  for (const id of ['bar', 'main', 'skip']) $(id).inert = !!top;
  document.body.classList.toggle('covered', !!top);
}

function openPane(id, label, from, ...children) {
  if (from && !$(id).contains(from)) cameFrom[id] = from;
  const opened = $(id).hidden;
  $(id).replaceChildren(...children);
  $(id).setAttribute('aria-label', label);
  $(id).hidden = false;
  document.body.classList.add(`with-${id}`);
  if (opened && narrowScreen.matches) history.pushState({ ...history.state, pane: id }, '');
  becomeDialogs();
}

function closePane(id, back = true) {
  if ($(id).hidden) return false;
  $(id).hidden = true;
  $(id).replaceChildren();
  document.body.classList.remove(`with-${id}`);
  becomeDialogs();
  if (id === 'sources') $('show-sources').setAttribute('aria-expanded', 'false');
  else document.querySelectorAll('[aria-current]').forEach(one => one.removeAttribute('aria-current'));
  (cameFrom[id] && cameFrom[id].isConnected ? cameFrom[id] : $('ask').hidden ? $('title') : $('question')).focus();
  delete cameFrom[id];
  if (back && history.state?.pane === id) history.back();
  return true;
}

addEventListener('popstate', event => {
  const wanted = event.state?.pane;
  for (const id of openPanes()) if (narrowScreen.matches && id !== wanted) closePane(id, false);
});
narrowScreen.addEventListener('change', becomeDialogs);

function paneHead(id, title, under, ...more) {
  const heading = el('h2', { tabindex: '-1' }, title);
  const head = el('div', { class: 'pane-head' }, el('div', {}, heading, under ? el('p', { class: 'small soft' }, under) : null), more,
    button('×', () => closePane(id), { class: 'quiet close', 'aria-label': 'Close', title: 'Close (Esc)' }));
  return [head, heading];
}

const addressOf = id => `/v1/documents/${id.split('/').map(encodeURIComponent).join('/')}`;

let turning = { citations: [], at: -1 };  // what "next citation" goes through

function turn(by) {
  const { citations, at } = turning;
  const next = citations[(at + by + citations.length) % citations.length];
  if (next) openCitation(next, null, citations);
}

// `citation.above` is shown above the document.
async function openCitation(citation, from, citations = turning.citations) {
  document.querySelectorAll('[aria-current]').forEach(one => one.removeAttribute('aria-current'));
  if (from && from.matches('.card, .cell')) from.setAttribute('aria-current', 'true');
  turning = { citations, at: citations.indexOf(citation) };
  const several = citations.length > 1 && turning.at >= 0;
  const [head, heading] = paneHead('side', citation.title || citation.document_id, citation.document_id,
    several ? button('‹', () => turn(-1), { class: 'quiet', 'aria-label': 'Previous citation', title: 'Previous citation (p)' }) : null,
    several ? button('›', () => turn(1), { class: 'quiet', 'aria-label': 'Next citation', title: 'Next citation (n)' }) : null);
  head.querySelector('div').append(iconButton('only', 'Ask only this', () => askOnly(citation.document_id), { class: 'small edged only' }));
  const scroller = el('div', { class: 'pane-body', tabindex: '0', role: 'region', 'aria-label': `Text of ${citation.title || citation.document_id}` }, el('p', { class: 'soft' }, 'Opening…'));
  openPane('side', citation.title || 'Document', from, ...[head, citation.above, scroller].filter(Boolean));
  heading.focus({ preventScroll: true });
  try {
    const address = addressOf(citation.document_id);
    const [detail, bytes] = await Promise.all([getJson(address), request(`${address}/text`).then(response => response.arrayBuffer())]);
    if (!head.isConnected) return;
    const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes);
    heading.textContent = upright(detail.title);
    head.querySelector('p').textContent = upright([citation.document_id, detail.metadata.date, `${detail.characters.toLocaleString('en')} characters`].filter(Boolean).join(' · '));
    const changed = citation.document_sha256 && citation.document_sha256 !== detail.sha256;
    const cited = changed ? { document_id: citation.document_id } : citation;  // its offsets are those of an earlier text
    const warning = changed ? [el('p', { class: 'wrong small' }, 'The document has changed since this was quoted from it.')] : [];
    const show = view => { scroller.replaceChildren(...warning, ...view); (scroller.querySelector('mark') || scroller.querySelector('.sentence'))?.scrollIntoView({ block: 'center' }); };
    const textView = () => documentView(text, detail, cited, scroller);
    if (detail.metadata.type === 'pdf') scroller.before(viewSwitch(show, textView, () => pageView(cited, detail, scroller), cited));
    else show(await textView());
  } catch (error) {
    scroller.replaceChildren(problemBox(error, () => openCitation(citation, from, citations)));
  }
}

// Of a PDF the page as it was printed comes first, where the service can draw it; its text otherwise.
function viewSwitch(show, textView, pagesView, citation) {
  const tabs = ['Page', 'Text'].map(name => button(name, () => choose(name), { class: 'mode', 'aria-pressed': 'false' }));
  const choose = async name => {
    tabs.forEach(tab => tab.setAttribute('aria-pressed', String(tab.textContent === name)));
    if (name === 'Text') { show(await textView()); return; }
    show([el('p', { class: 'soft' }, 'Drawing…')]);
    try { show(await pagesView()); } catch (error) { choose('Text'); tabs[0].hidden = error.status === 404; }
  };
  choose('Page');
  return el('div', { class: 'modes tabs', role: 'group', 'aria-label': 'Show as' }, tabs);
}

const shares = ([left, top, right, bottom]) => ({ left: `${left * 100}%`, top: `${top * 100}%`, width: `${(right - left) * 100}%`, height: `${(bottom - top) * 100}%` });
let zoom = 1;

// A page as it is printed, with its words on top of it, invisible, to be selected and copied.
async function pageView(citation, detail, scroller) {
  const at = citation.highlight || citation;
  const page = citation.page || 1;
  const asked = new URLSearchParams({ document: citation.document_id, page });
  const spans = new URLSearchParams(asked);
  if (at.start_char_index !== undefined) {
    spans.set('start', at.start_char_index); spans.set('end', at.end_char_index);
    spans.set('sentence_start', citation.start_char_index); spans.set('sentence_end', citation.end_char_index);
  }
  const drawn = async () => URL.createObjectURL(await request(`/v1/pages/picture?${asked}&width=${Math.min(2400, Math.round(1100 * zoom))}`).then(response => response.blob()));
  const [{ boxes, sentence, lines, pages }, address] = await Promise.all([getJson(`/v1/pages?${spans}`), drawn()]);
  const image = el('img', { src: address, alt: `Page ${page} of ${detail.title}`, on: { load: () => { URL.revokeObjectURL(image.src); fitLines(); } } });
  const boxed = (all, name) => all.map(box => { const mark = el('span', { class: name }); Object.assign(mark.style, shares(box)); return mark; });
  const words = lines.map(({ text, box }) => { const line = el('span', { class: 'page-line' }, text); Object.assign(line.style, shares(box)); return line; });
  const sheet = el('div', { class: 'sheet' }, image, boxed(sentence, 'sentence-on-page'), boxed(boxes, 'box-on-page'), el('div', { class: 'page-text' }, words));
  const fitLines = () => {
    sheet.style.width = `${zoom * 100}%`;
    for (const line of words) {
      line.style.fontSize = `${line.clientHeight * .8}px`;
      line.style.transform = '';
      line.style.transform = `scaleX(${line.clientWidth / Math.max(1, line.scrollWidth)})`;
    }
    sheet.querySelector('.box-on-page')?.scrollIntoView({ block: 'center', inline: 'nearest' });
  };
  const go = async (number, pressed) => {
    scroller.replaceChildren(...await pageView({ document_id: citation.document_id, page: number }, detail, scroller));
    ([...scroller.querySelectorAll('button')].find(one => one.textContent === pressed && !one.disabled) || scroller).focus();
  };
  const magnify = async factor => {
    zoom = Math.min(4, Math.max(.5, zoom * factor));
    level.textContent = percent(zoom);
    fitLines();
    image.src = await drawn();
  };
  const level = el('span', { class: 'small', role: 'status' }, percent(zoom));
  const [before, after] = ['‹ Previous page', 'Next page ›'];
  return [el('p', { class: 'row small' }, button(before, () => go(page - 1, before), { class: 'quiet small', disabled: page <= 1 }),
    el('span', {}, `Page ${page} of ${pages}`), button(after, () => go(page + 1, after), { class: 'quiet small', disabled: page >= pages })),
  el('p', { class: 'row small' }, el('span', {}, button('−', () => magnify(1 / 1.25), { class: 'quiet', 'aria-label': 'Smaller' }), level, button('+', () => magnify(1.25), { class: 'quiet', 'aria-label': 'Larger' })),
    iconButton('save', 'Original file', () => saveOriginal(citation.document_id), { class: 'small' })),
  at.start_char_index !== undefined && !boxes.length ? el('p', { class: 'soft small' }, 'The quoted words could not be found on the image of the page; they are marked in the text.') : null, el('div', { class: 'sheet-frame' }, sheet)].filter(Boolean);
}

async function saveOriginal(id) {
  try { downloadFile(nameOf(id), await (await request(`/v1/original?${new URLSearchParams({ document: id })}`)).blob()); } catch (error) { say(error.message); }
}

// The document's text, of a long one the part around what is cited.
async function documentView(text, detail, citation, scroller) {
  const headings = headingsOf(text, detail);
  const { all, focus } = rangesOf(text, citation);
  const view = el('div', { class: 'document', dir: 'auto' });
  // A line's begin or end, if it is near: one line may be a megabyte.
  const start = index => { const found = index <= 0 ? 0 : text.lastIndexOf('\n', index) + 1; return index - found > AROUND ? index : found; };
  const end = index => { const found = index >= text.length ? text.length : text.indexOf('\n', index); return found < 0 ? (text.length - index > AROUND ? index : text.length) : found - index > AROUND ? index : found; };
  let from = start(focus - AROUND), to = end(focus + AROUND);
  const before = button('Show what comes before', () => show(start(from - 3 * AROUND), to), { class: 'more' });
  const after = button('Show what comes after', () => show(from, end(to + 3 * AROUND)), { class: 'more' });
  const whole = index => index > 0 && index < text.length && /[\udc00-\udfff]/.test(text[index]) ? index + 1 : index;
  async function show(a, b) {
    const [first, last] = [whole(a), whole(b)];
    const range = new URLSearchParams({ document: detail.id, start: pointsIn(text, first), end: pointsIn(text, last) });
    const blocks = await getBlocks(range);
    const height = scroller.scrollHeight - scroller.scrollTop;
    const moved = first < from;
    from = first;
    to = last;
    view.replaceChildren(...rendered(text, all, blocks, from, to));
    before.hidden = from === 0;
    after.hidden = to === text.length;
    if (moved) scroller.scrollTop = scroller.scrollHeight - height;
  }
  await show(from, to);
  const goTo = async at => {
    if (at < from || at > to) await show(start(at - AROUND), end(at + AROUND));
    const wanted = text.slice(at, end(at)).split('\n')[0].trim();
    [...view.querySelectorAll('.heading')].find(one => one.textContent.trim() === wanted)?.scrollIntoView({ block: 'start' });
  };
  return [outlineOf(text, detail, headings, goTo), before, view, after].filter(Boolean);
}

// Where a line is a heading, and its level. A table's sections are its rows: their headings are not lines of the text.
function headingsOf(text, detail) {
  const starts = units(text, detail.sections.map(section => section.start));
  const plain = words => words.replace(/\s+/g, ' ').trim();
  const isLine = ({ headings }, at) => {
    const line = plain(text.slice(at, at + 400).split('\n')[0]);
    return headings.length && line && plain(headings.at(-1)).startsWith(line);
  };
  return new Map(detail.sections.map((section, i) => [starts[i], section]).filter(([at, section]) => isLine(section, at)).map(([at, { headings }]) => [at, headings.length]));
}

function outlineOf(text, detail, headings, goTo) {
  const starts = units(text, detail.sections.map(section => section.start));
  const named = detail.sections.map((section, i) => ({ ...section, at: starts[i] })).filter(section => headings.has(section.at));
  if (named.length < 3) return null;
  return el('details', { class: 'outline' }, el('summary', {}, `Outline (${count(named.length, 'heading')})`),
    el('ul', { class: 'plain' }, named.slice(0, 500).map(section => {
      const row = el('li', {}, button(section.headings.at(-1), () => goTo(section.at), { class: 'link' }));
      row.style.paddingLeft = `${section.headings.length - 1}em`;
      return row;
    })));
}

function rangesOf(text, citation) {
  if (citation.start_char_index === undefined) return { all: [], focus: 0 };
  const [first, last] = units(text, [citation.start_char_index, citation.end_char_index]);
  const all = [[first, last, 'span', 'sentence']];
  if (citation.highlight) {
    const [start, end] = units(text, [citation.highlight.start_char_index, citation.highlight.end_char_index]);
    all.push([start, end, 'mark', '']);
  }
  return { all, focus: first };
}
