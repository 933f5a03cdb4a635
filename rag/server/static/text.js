// Offsets from the service count code points; a JavaScript string counts UTF-16 units.

// The unit offsets of ascending code point offsets.
function units(text, points) {
  const found = [];
  let unit = 0, point = 0;
  for (const wanted of points) {
    while (point < wanted && unit < text.length) {
      unit += text.codePointAt(unit) > 0xffff ? 2 : 1;
      point += 1;
    }
    found.push(unit);
  }
  return found;
}

// The number of code points before a unit offset.
function pointsIn(text, unit) {
  let count = 0;
  for (let at = 0; at < unit; at += text.codePointAt(at) > 0xffff ? 2 : 1) count += 1;
  return count;
}

// A text with some stretches wrapped; `ranges` are [start, end, tag, class] in units, and may nest.
function marked(text, ranges, from = 0, to = text.length) {
  const inside = ranges.map(([a, b, ...rest]) => [Math.max(a, from), Math.min(b, to), ...rest]).filter(([a, b]) => a < b);
  const cuts = [...new Set([from, to, ...inside.flatMap(([a, b]) => [a, b])])].sort((a, b) => a - b);
  return cuts.slice(1).map((end, i) => {
    const start = cuts[i];
    const around = inside.filter(([a, b]) => a <= start && end <= b);
    return around.reduceRight((node, [, , tag, name]) => el(tag, name ? { class: name } : {}, node), document.createTextNode(upright(text.slice(start, end))));
  });
}

function sentenceOf(citation) {
  const at = citation.start_char_index;
  const text = citation.cited_text;
  const [start, end] = units(text, [citation.highlight.start_char_index - at, citation.highlight.end_char_index - at]);
  return marked(text, text.slice(start, end).trim() === text.trim() ? [] : [[start, end, 'mark']]);  // all of it needs no mark
}

// A text with the words of a question marked, endings apart: "signing" marks "signed", "enrich" marks "enrichment", but "deal" not "deadline".
const SMALL = new Set('the and for are was were did does how what when who why which with from this that may can you your our its has have had not'.split(' '));
const stemOf = word => word.toLowerCase().replace(/(?<=...)(?:ing|ed|es|s|e)$/u, '');
const isForm = (word, stem) => stemOf(word) === stem || (stem.length > 4 && word.length <= stem.length + 4 && word.toLowerCase().startsWith(stem));
function wordsMarked(text, question) {
  const stems = [...new Set(question.toLowerCase().match(/[\p{L}\p{N}]{3,}/gu) || [])].filter(word => !SMALL.has(word)).map(stemOf);
  const ranges = [];
  for (const match of text.matchAll(/[\p{L}\p{N}]+/gu)) {
    if (stems.some(stem => isForm(match[0], stem))) ranges.push([match.index, match.index + match[0].length, 'mark', 'word']);
  }
  return marked(text, ranges);
}

const percent = share => `${Math.round(share * 100)}%`;
const inWords = share =>
  share >= 0.9 ? 'Very likely right' : share >= 0.75 ? 'Likely right' : share >= 0.5 ? 'Probably right' : share >= 0.25 ? 'Uncertain' : 'Unlikely';
const count = (number, noun) => `${number.toLocaleString('en')} ${noun}${number === 1 ? '' : 's'}`;

// Why there is no answer, as a sentence.
const reasonOf = ({ abstention_reason: why }) => why ? `${why[0].toUpperCase()}${why.slice(1)}.`.replace(/\.\.$/, '.') : '';

// A value as it was read, where that says more than the words: "14 July 2015" is 2015-07-14, but "September" is only --09, and "six months" P6M.
function typed(value, words) {
  const number = value.number === null ? '' : value.number.toLocaleString('en', { maximumFractionDigits: 6 });
  const range = value.upper === null ? number : `${number} – ${value.upper.toLocaleString('en')}`;
  const said = value.yes !== null || value.kind === 'condition' ? '' : value.iso || `${value.bound} ${range} ${value.unit || ''}${value.per ? ` per ${value.per}` : ''}`.trim();
  const adds = said && !/^(--|P)/.test(said) && !words.includes(said) && !(number && words.includes(number));
  return adds ? said : '';
}
