// What happened to a job, newest first. Of checkpoints that follow each other, the last is told.
import {html, useState} from '../html.js';
import {clock, moment} from '../format.js';

const FEW = 12;

export function Events({events}) {
  const [showsAll, setShowsAll] = useState(false);
  const newest = [...events].reverse().filter((event, n, all) => event.type !== 'checkpoint' || !all[n - 1] || all[n - 1].type !== 'checkpoint');
  const shown = showsAll ? newest : newest.slice(0, FEW);
  return html`
    <section class="card" aria-labelledby="events"><h2 id="events">Events</h2>
      <ol class="events" reversed>${shown.map(({id, time, type, data}) => html`
        <li key=${id} class=${type}><time datetime=${time} title=${moment(time)}>${clock(time)}</time>
          <strong>${type}</strong> <span class="quiet">${words(type, data)}</span></li>`)}</ol>
      ${newest.length > FEW && html`<button onClick=${() => setShowsAll(!showsAll)}>
        ${showsAll ? 'Show the newest' : `Show all ${newest.length}`}</button>`}
    </section>`;
}

// The data of an event in one line; of a list, how long it is.
function words(type, data) {
  return Object.entries(data).filter(([name, value]) => name !== 'token' && value !== null)
    .map(([name, value]) => `${name.replaceAll('_', ' ')} ${Array.isArray(value) ? `(${value.length})` : typeof value === 'object' ? JSON.stringify(value) : value}`)
    .join(' · ');
}
