// A button that changes something in the service; disabled with a reason where it cannot.
import {html} from '../html.js';
import {useObservable} from '../service/observable.js';
import {session, mayWrite} from '../service/session.js';
import {Busy} from './busy.js';

const READS_ONLY = 'A read key sees, it does not act.';

// act: what is done; returns a promise. unless: a reason why it cannot be done now, or null.
export function Action({act, unless = null, confirm = null, kind = '', children}) {
  const reason = mayWrite(useObservable(session)) ? unless : READS_ONLY;
  const run = async () => {
    if (!confirm || window.confirm(confirm)) await act();
  };
  return html`<${Busy} act=${run} kind=${kind} reason=${reason}>${children}<//>`;
}

export function ReadOnlyNote() {
  const current = useObservable(session);
  return mayWrite(current) || !current.scope ? null : html`<p class="note">This key has the scope <em>read</em>: it sees everything
    and changes nothing. Sign in with a write key to act.</p>`;
}
