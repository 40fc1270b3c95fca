// Sends a file: as a look (dry run), or to be stored, with progress.
import {call, Problem, query, authorization} from '../service/call.js';

const LOOK_BYTES = 4 << 20; // of a long CSV, its beginning says what its columns are

const settingsOf = ({name, families, types, format}) => query({
  name, families: families ? `prefix:${families}` : null,
  types: Object.keys(types).length ? JSON.stringify(types) : null,
  delimiter: format.delimiter,
});

// {document, isWhole}: how the file would be read; of long text, from its first lines.
export async function look(file, options, signal) {
  const isWhole = !options.format.isPlainText || file.size <= LOOK_BYTES;
  const body = isWhole ? file : await beginning(file);
  const path = `/v1/datasets${settingsOf({...options, name: null})}`;
  const answer = await call(`${path}${path.includes('?') ? '&' : '?'}dry_run=true`, {method: 'POST', body, type: options.format.type, signal});
  return {document: await answer.json(), isWhole};
}

async function beginning(file) {
  const text = await file.slice(0, LOOK_BYTES).text();
  return text.slice(0, text.lastIndexOf('\n') + 1);
}

// XMLHttpRequest and not fetch, which does not tell how much was sent.
export function upload(file, options, onProgress) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open('POST', `/v1/datasets${settingsOf(options)}`);
    request.setRequestHeader('Content-Type', options.format.type);
    request.setRequestHeader('Accept', 'application/json');
    Object.entries(authorization()).forEach(([name, value]) => request.setRequestHeader(name, value));
    request.upload.onprogress = event => onProgress(event.lengthComputable ? event.loaded / event.total : 0);
    request.onerror = () => reject(new Error('The connection broke off; nothing was stored. Send it again.'));
    request.onload = () => {
      const document = parse(request.responseText);
      if (request.status < 300) resolve(document);
      else reject(new Problem(request.status, document, 0));
    };
    request.send(file);
  });
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}
