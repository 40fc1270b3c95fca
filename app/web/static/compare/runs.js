// Two or more runs: their curves laid over each other, the settings that differ, and how their groupings differ.
import {html, useMemo} from '../html.js';
import {isId, link} from '../router.js';
import {getJson} from '../service/call.js';
import {secondsTaken} from '../service/job.js';
import {useLoaded} from '../service/loading.js';
import {Badge} from '../parts/badge.js';
import {Chart} from '../parts/chart.js';
import {Title} from '../parts/title.js';
import {Loading, Trouble} from '../parts/trouble.js';
import {duration, number} from '../format.js';
import {CHARTS} from '../jobs/curves.js';
import {differences} from './settings.js';
import {Difference} from './difference.js';

const EVERY_MS = 4000;

export function CompareRuns({query}) {
  const ids = (query.jobs || '').split(',').filter(isId).slice(0, 6);
  const {data, error} = useLoaded(signal => Promise.all(ids.map(async id => {
    const [job, metrics] = await Promise.all([getJson(`/v1/jobs/${id}`, {signal}), getJson(`/v1/jobs/${id}/metrics?max_points=300`, {signal})]);
    return {job, points: metrics.points};
  })), [query.jobs], {every: EVERY_MS});
  if (error) return html`<${Trouble} error=${error} what="One of the runs" />`;
  if (!data) return html`<${Loading} what="the runs" />`;
  const named = data.map((run, n) => ({...run, name: nameOf(run.job, data, n)}));
  const models = named.filter(({job}) => job.model);
  return html`
    <${Title} tab="Compare">${ids.length} runs compared<//>
    <section class="card"><div class="wide" tabindex="0" role="region" aria-label="Runs"><table class="plain"><thead><tr><th
      scope="col">Run</th><th scope="col">State</th><th scope="col" class="number">Epochs</th>
      <th scope="col" class="number">Validation error</th><th scope="col" class="number">Took</th></tr></thead>
      <tbody>${named.map(({job, name}, n) => html`<tr key=${job.id}><th scope="row"><i class=${`swatch curve-${n + 1}`}></i> <a
        href=${link(['jobs', job.id])}>${name}</a></th>
        <td><${Badge} status=${job.status} /></td><td class="number">${job.progress.epoch}</td><td class="number">
          ${number(job.losses.validation)}</td>
        <td class="number">${duration(secondsTaken(job))}</td></tr>`)}</tbody></table></div></section>
    <section class="card" aria-labelledby="laid"><h2 id="laid">Their curves</h2><div class="charts">
      ${CURVES.map(curve => html`<${Laid} key=${curve.title} runs=${named} ...${curve} />`)}</div></section>
    <${Settings} runs=${named} />
    ${models.slice(1).map(({job, name}) => html`<${Difference} key=${job.model} from=${models[0].job.model} to=${job.model}
      title=${`Groupings: ${models[0].name} and ${name}`} />`)}`;
}

const CURVES = CHARTS.flatMap(({title, columns, top}) => Object.entries(columns).map(([column, label]) => ({
  title: Object.keys(columns).length > 1 ? `${title}: ${label}` : title, column, top,
})));

// A name that tells runs apart: their own where it does, else with the end of the id.
function nameOf(job, runs, n) {
  const own = job.config.name || job.id;
  return runs.some((other, m) => m !== n && (other.job.config.name || other.job.id) === own) ? `${own} (${job.id.slice(-4)})` : own;
}

function Laid({runs, title, column, top}) {
  const [x, series] = useMemo(() => {
    const epochs = [...new Set(runs.flatMap(({points}) => points.map(({epoch}) => epoch)))].sort((a, b) => a - b);
    return [epochs, runs.map(({name, points}) => {
      const values = new Map(points.map(point => [point.epoch, point[column] ?? null]));
      return {label: name, values: epochs.map(epoch => values.get(epoch) ?? null)};
    })];
  }, [runs, column]);
  return x.length ? html`<${Chart} title=${title} top=${top} x=${x} series=${series} />` : null;
}

function Settings({runs}) {
  const found = differences(runs.map(({job}) => job.config));
  return html`<section class="card" aria-labelledby="settings"><h2 id="settings">Settings that differ</h2>
    ${found.length === 0 ? html`<p class="quiet">None.</p>` : html`<div class="wide" tabindex="0" role="region"
      aria-label="Settings that differ"><table class="plain"><thead><tr><th scope="col">Setting</th>
      ${runs.map(({name}) => html`<th scope="col">${name}</th>`)}</tr></thead>
      <tbody>${found.map(({path, values}) => html`<tr key=${path}><th scope="row"><code>${path}</code></th>
        ${values.map(value => html`<td>${value}</td>`)}</tr>`)}</tbody></table></div>`}</section>`;
}
