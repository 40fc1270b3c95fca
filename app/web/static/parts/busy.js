// A button that works on something, cannot be pressed twice, and says so when it fails.
import {html, useState} from '../html.js';
import {notify} from './notices.js';

export function Busy({act, kind = '', reason = null, children}) {
  const [isBusy, setBusy] = useState(false);
  const run = async () => {
    setBusy(true);
    try {
      await act();
    } catch (error) {
      notify(error.message, 'refused');
    } finally {
      setBusy(false);
    }
  };
  return html`<button type="button" class=${kind} disabled=${isBusy || Boolean(reason)}
    title=${reason || undefined} onClick=${run}>${children}</button>`;
}
