// A button that copies text.
import {html, useState} from '../html.js';
import {notify} from './notices.js';

export function Copy({text}) {
  const [isDone, setDone] = useState(false);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setDone(true);
      setTimeout(() => setDone(false), 2000);
    } catch {
      notify('The browser does not let this page copy; select the text instead.', 'refused');
    }
  };
  return html`<button class="copy" onClick=${copy}>${isDone ? 'Copied' : 'Copy'}</button>`;
}
