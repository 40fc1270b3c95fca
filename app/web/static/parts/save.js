// Downloads that need a key, which a plain link cannot send.
import {html} from '../html.js';
import {call} from '../service/call.js';
import {Busy} from './busy.js';

export function saveText(name, text, type) {
  saveBlob(name, new Blob([text], {type}));
}

function saveBlob(name, blob) {
  const address = URL.createObjectURL(blob);
  const anchor = Object.assign(document.createElement('a'), {href: address, download: name});
  anchor.click();
  setTimeout(() => URL.revokeObjectURL(address), 60000);
}

export function Download({path, accept, name, children}) {
  const act = async () => saveBlob(name, await (await call(path, {accept})).blob());
  return html`<${Busy} act=${act}>${children}<//>`;
}
