// Short messages about what was done or refused; screen readers hear them.
import {html} from '../html.js';
import {observable, useObservable} from '../service/observable.js';

const SHOWN_MS = 8000;
const notices = observable([]);
let number = 0;

export function notify(text, kind = 'done') {
  number += 1;
  const id = number;
  notices.set([...notices.value, {id, text, kind}]);
  setTimeout(() => dismiss(id), SHOWN_MS);
}

function dismiss(id) {
  notices.set(notices.value.filter(notice => notice.id !== id));
}

export function Notices() {
  const shown = useObservable(notices);
  return html`<div class="notices" aria-live="polite">${shown.map(({id, text, kind}) => html`
    <div key=${id} class="notice ${kind}"><span>${text}</span>
      <button class="plain" aria-label="Dismiss" onClick=${() => dismiss(id)}>×</button></div>`)}</div>`;
}
