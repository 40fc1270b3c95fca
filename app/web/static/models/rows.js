// The first rows of a dataset as CSV, without reading the rest of it; and CSV as cells.
import {call} from '../service/call.js';

export async function firstRows(dataset, count, signal) {
  const stop = new AbortController();
  if (signal) signal.addEventListener('abort', () => stop.abort(), {once: true});
  const answer = await call(`/v1/datasets/${dataset}/rows`, {accept: 'text/csv', signal: stop.signal});
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  for (;;) {
    const {done, value} = await reader.read();
    text += value || '';
    const end = endOfLine(text, count + 1);
    if (done || end >= 0) {
      stop.abort();
      return end >= 0 ? text.slice(0, end) : text;
    }
  }
}

// Where the n-th line of CSV ends, outside quotes; -1 if the text has fewer.
function endOfLine(text, n) {
  let isQuoted = false;
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === '"') isQuoted = !isQuoted;
    else if (text[at] === '\n' && !isQuoted && --n === 0) return at + 1;
  }
  return -1;
}

export function parseCsv(text) {
  const rows = [];
  let row = [];
  let cell = '';
  let isQuoted = false;
  for (let at = 0; at < text.length; at += 1) {
    const letter = text[at];
    if (isQuoted) {
      if (letter !== '"') cell += letter;
      else if (text[at + 1] === '"') cell += text[++at];
      else isQuoted = false;
    } else if (letter === '"') isQuoted = true;
    else if (letter === ',') {
      row.push(cell);
      cell = '';
    } else if (letter === '\n') {
      rows.push([...row, cell]);
      row = [];
      cell = '';
    } else if (letter !== '\r') cell += letter;
  }
  if (cell || row.length) rows.push([...row, cell]);
  return rows;
}
