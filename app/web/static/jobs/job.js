// One job: its state and progress as they change, its curves, its assignment as it anneals, its events.
import {html} from '../html.js';
import {link} from '../router.js';
import {useJob, hasEnded} from '../service/job.js';
import {useEvents} from '../service/use_events.js';
import {Badge} from '../parts/badge.js';
import {Meter} from '../parts/meter.js';
import {Title} from '../parts/title.js';
import {ReadOnlyNote} from '../parts/action.js';
import {Loading, Trouble} from '../parts/trouble.js';
import {count, duration, moment, number, percent} from '../format.js';
import {Controls} from './controls.js';
import {Curves} from './curves.js';
import {LiveAssignment} from './live_assignment.js';
import {Events} from './events.js';
import {Moved} from './moved.js';
import {Snippet} from '../parts/snippet.js';
import {Downloads} from './downloads.js';

export function JobView({id}) {
  const {job, error, update} = useJob(id);
  const events = useEvents(id);
  if (error) return html`<${Trouble} error=${error} what="This job" />`;
  if (!job) return html`<${Loading} what="the job" />`;
  const name = job.config.name || job.id;
  const isTraining = job.kind === 'training';
  return html`
    <div class="heading">
      <div><${Title} tab=${name}>${name}<//>
        <p class="under"><code>${job.id}</code> on <a href=${link(['datasets', job.config.dataset])}><code>
          ${job.config.dataset}</code></a>${
          Object.entries(job.config.labels || {}).map(([label, value]) => html` <span class="chip">${label}=${value}</span>`)}</p></div>
      <${Controls} job=${job} update=${update} /></div>
    <${ReadOnlyNote} />
    <${State} job=${job} />
    ${isTraining && html`<${Curves} job=${job} />
      <${LiveAssignment} job=${job} />
      <${Moved} events=${events} />`}
    <${Events} events=${events} />
    <section class="card"><h2>Settings</h2><details><summary>As they were resolved</summary>
      <pre tabindex="0">${JSON.stringify(job.config, null, 2)}</pre></details></section>
    <${Downloads} job=${job} />
    <${Snippet} requests=${[{path: `/v1/jobs/${job.id}`, python: `job = client.jobs.get("${job.id}")`},
      ...(isTraining ? [{path: `/v1/jobs/${job.id}/assignment`, python: `assignment = client.jobs.assignment("${job.id}")`},
        {path: `/v1/jobs/${job.id}/metrics`, python: `metrics = client.jobs.metrics("${job.id}")`}] : [])]} />`;
}

function State({job}) {
  const {progress, queue} = job;
  return html`
    <section class="card state" aria-label="State">
      <div class="line"><span role="status"><${Badge} status=${job.status} /></span>
        <span>${words(job, queue)}</span>
        <span class="spacer"></span>
        ${job.model && html`<a class="button primary" href=${link(['models', job.model])}>Its model</a>`}
        ${job.result && html`<a class="button primary" href=${link(['datasets', job.result])}>Its codes</a>`}</div>
      <${Meter} value=${progress.fraction} label="Progress" />
      <dl class="facts">
        <div><dt>Epoch</dt><dd>${count(progress.epoch)} of ${count(progress.epochs)}</dd></div>
        <div><dt>Step</dt><dd>${count(progress.step)} of ${count(progress.steps)}</dd></div>
        ${job.kind === 'training' && html`
          <div><dt>Temperature</dt><dd>${number(job.temperature)}</dd></div>
          <div><dt>Validation error</dt><dd>${number(job.losses.validation)}</dd></div>
          <div><dt>Confident features</dt><dd>${percent(job.assignment.confident_fraction)}</dd></div>
          <div><dt>Categories in use</dt><dd>${count(job.assignment.active_categories)}</dd></div>
          <div><dt>Codes in use</dt><dd>${percent(job.codebook.usage)}</dd></div>`}
        <div><dt>Attempt</dt><dd>${job.attempt.number} of ${job.attempt.max}</dd></div>
      </dl>
      ${job.error && html`<p class="error" role="alert"><code>${job.error.code}</code> ${job.error.text}</p>`}
    </section>`;
}

function words(job, queue) {
  if (job.status === 'queued') return queue.position ? `place ${queue.position} in the queue` : 'waiting for a worker';
  if (job.status === 'running') return job.progress.eta_seconds === null ? 'at work' : `about ${duration(job.progress.eta_seconds)} left`;
  if (hasEnded(job)) return [job.status_reason, job.finished_at && moment(job.finished_at)].filter(Boolean).join(' · ');
  return job.status_reason || '';
}
