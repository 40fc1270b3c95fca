// The workers, and what each of them does.
import {html} from '../html.js';
import {link} from '../router.js';
import {getPage} from '../service/call.js';
import {useLoaded} from '../service/loading.js';
import {useObservable} from '../service/observable.js';
import {session} from '../service/session.js';
import {ago} from '../format.js';

const EVERY_MS = 5000;

export function Workers() {
  const {info} = useObservable(session);
  return info && info.links.workers ? html`<${List} />` : null;
}

function List() {
  const {data} = useLoaded(signal => getPage('/v1/workers', {signal}), [], {every: EVERY_MS});
  if (!data) return null;
  if (!data.items.length) return html`<p class="note">No worker is there: jobs wait until one is started.</p>`;
  return html`<ul class="workers" aria-label="Workers">${data.items.map(worker => html`
    <li key=${worker.name}><span class=${`dot ${worker.job ? 'busy' : ''}`} aria-hidden="true"></span>
      <span class="name">${worker.name}</span>
      ${worker.job ? html`<a href=${link(['jobs', worker.job])}>works on ${worker.job}</a>` : html`<span class="quiet">idle</span>`}
      <span class="quiet">${[worker.device, `since ${ago(worker.since)}`].filter(Boolean).join(' · ')}</span></li>`)}</ul>`;
}
