// What was measured after each epoch, as curves, and the control of the temperature beside its own.
import {html} from '../html.js';
import {getJson} from '../service/call.js';
import {useLoaded} from '../service/loading.js';
import {hasEnded} from '../service/job.js';
import {Chart} from '../parts/chart.js';
import {TemperatureControl} from './temperature.js';

const EVERY_MS = 1500;

export const CHARTS = [
  {title: 'Temperature', columns: {temperature: 'temperature'}},
  {title: 'Error', columns: {reconstruction: 'training', validation: 'validation'}},
  {title: 'Codes in use', columns: {codebook_usage: 'share of all codes'}, top: 1},
  {title: 'Perplexity of the codebooks', columns: {codebook_perplexity: 'codes'}},
  {title: 'How decided the assignment is', columns: {assignment_confident_fraction: 'confident', assignment_entropy: 'entropy'}, top: 1},
  {title: 'Features moved in the epoch', columns: {assignment_changed_last_epoch: 'features'}},
];

export function Curves({job}) {
  const isLive = !hasEnded(job) && job.status !== 'paused';
  const path = `/v1/jobs/${job.id}/metrics?max_points=500`;
  const {data} = useLoaded(signal => getJson(path, {signal}), [path, isLive], {every: isLive ? EVERY_MS : null});
  const points = data ? data.points : [];
  return html`
    <section class="card" aria-labelledby="curves"><h2 id="curves">How it learns</h2>
      ${points.length === 0 ? html`<p class="quiet">Nothing was measured yet: the first epoch has to end.</p>`
        : html`<div class="charts">${CHARTS.map(({title, columns, top}) => html`
          <${Chart} key=${title} title=${title} top=${top} x=${points.map(({epoch}) => epoch)}
            series=${Object.entries(columns).map(([name, label]) =>
            ({label, values: points.map(point => point[name] ?? null)}))} />`)}</div>`}
      <${TemperatureControl} job=${job} />
    </section>`;
}
