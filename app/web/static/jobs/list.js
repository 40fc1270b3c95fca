// All jobs, newest first, a page at a time: what each does, and the way to compare some of them.
import {html, useState} from '../html.js';
import {go, link} from '../router.js';
import {getPage, query as queryOf} from '../service/call.js';
import {useLoaded} from '../service/loading.js';
import {Badge} from '../parts/badge.js';
import {Meter} from '../parts/meter.js';
import {Pager} from '../parts/pager.js';
import {Title} from '../parts/title.js';
import {Loading, Trouble} from '../parts/trouble.js';
import {ago, duration, plural} from '../format.js';
import {hasEnded, secondsTaken} from '../service/job.js';
import {Filters} from './filters.js';
import {Workers} from './workers.js';

const PAGE = 50;
const EVERY_MS = 2000;
const COMPARED = 6; // more curves than colours that can be told apart

export function JobsView({query}) {
  const {cursor, ...filters} = query;
  const [chosen, setChosen] = useState([]);
  const path = `/v1/jobs${queryOf({limit: PAGE, cursor, ...filters})}`;
  const {data, error} = useLoaded(signal => getPage(path, {signal}), [path], {every: EVERY_MS});
  const choose = (id, isChosen) => setChosen(isChosen ? [...chosen, id] : chosen.filter(other => other !== id));
  return html`
    <div class="heading"><${Title} tab="Jobs">Jobs<//>
      <div class="actions">
        <button disabled=${chosen.length < 2} title=${chosen.length < 2 ? 'Choose two or more runs in the list' : undefined}
          onClick=${() => go(['compare'], {jobs: chosen.join(',')})}>Compare ${chosen.length || ''}</button>
        <a class="button primary" href=${link(['new'])}>New job</a>
      </div></div>
    <${Workers} />
    <${Filters} filters=${filters} />
    ${error ? html`<${Trouble} error=${error} what="The list" />` : !data ? html`<${Loading} what="jobs" />` : html`
      <${Table} jobs=${data.items} chosen=${chosen} choose=${choose} isFiltered=${Object.keys(filters).length > 0} />
      <${Pager} parts=${['jobs']} query=${query} next=${data.next} />`}`;
}

function Table({jobs, chosen, choose, isFiltered}) {
  if (!jobs.length) {
    return html`<p class="empty">${isFiltered ? 'No job matches these filters.'
      : html`No jobs yet. <a href=${link(['new'])}>Upload a table</a> and train a first model.`}</p>`;
  }
  return html`
    <table class="list jobs">
      <thead><tr><th scope="col"><span class="hidden">Compare</span></th><th scope="col">Job</th><th scope="col">State</th>
        <th scope="col">Progress</th><th scope="col">Time</th><th scope="col">Dataset</th></tr></thead>
      <tbody>${jobs.map(job => html`<${Row} key=${job.id} job=${job} isChosen=${chosen.includes(job.id)}
        isFull=${chosen.length >= COMPARED} choose=${choose} />`)}</tbody>
    </table>`;
}

function Row({job, isChosen, isFull, choose}) {
  const name = job.config.name || job.id;
  const isTraining = job.kind === 'training';
  return html`
    <tr>
      <td class="choice">${isTraining && html`<input type="checkbox" aria-label=${`Compare ${name}`} checked=${isChosen}
        disabled=${isFull && !isChosen} onChange=${event => choose(job.id, event.target.checked)} />`}</td>
      <th scope="row"><a href=${link(['jobs', job.id])}>${name}</a>
        <div class="under">${job.config.name && html`<code>${job.id}</code>`}${!isTraining && html` <span class="chip">encoding</span>`}
          ${Object.entries(job.config.labels || {}).map(([label, value]) => html` <a class="chip"
            href=${link(['jobs'], {[`label.${label}`]: value})}>${label}=${value}</a>`)}</div></th>
      <td><${Badge} status=${job.status} />${job.queue.position && html`<div class="under">${place(job.queue.position)}</div>`}</td>
      <td class="progress">${job.status === 'queued' && !job.progress.step ? html`<span class="quiet">–</span>` : html`
        <${Meter} value=${job.progress.fraction} label=${`Progress of ${name}`} />
        <div class="under">${isTraining ? `epoch ${job.progress.epoch} of ${job.progress.epochs}` : `${Math.round(100 * job.progress.fraction)}%`}</div>`}</td>
      <td>${time(job)}<div class="under">${ago(job.created_at)}</div></td>
      <td><a href=${link(['datasets', job.config.dataset])}><code>${job.config.dataset}</code></a>
        ${job.model && html`<div class="under"><a href=${link(['models', job.model])}>its model</a></div>`}</td>
    </tr>`;
}

const place = position => (position === 1 ? 'next in the queue' : `${plural(position - 1, 'job')} before it`);

function time(job) {
  if (hasEnded(job)) return secondsTaken(job) === null ? '–' : `took ${duration(secondsTaken(job))}`;
  return job.status === 'running' && job.progress.eta_seconds !== null ? `${duration(job.progress.eta_seconds)} left` : '–';
}
