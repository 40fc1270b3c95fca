// One dataset: its columns, what was odd about them, its jobs, and the form for the next one.
import {html} from '../html.js';
import {go, link} from '../router.js';
import {call, getJson, getPage} from '../service/call.js';
import {useLoaded} from '../service/loading.js';
import {Action, ReadOnlyNote} from '../parts/action.js';
import {Badge} from '../parts/badge.js';
import {notify} from '../parts/notices.js';
import {Download} from '../parts/save.js';
import {Snippet} from '../parts/snippet.js';
import {Title} from '../parts/title.js';
import {Loading, Trouble} from '../parts/trouble.js';
import {count, moment, plural} from '../format.js';
import {Columns} from './columns.js';
import {StartJob} from './start_job.js';

export function DatasetView({id}) {
  const path = `/v1/datasets/${id}`;
  const {data, error} = useLoaded(signal => getJson(path, {signal}), [path]);
  if (error) return html`<${Trouble} error=${error} what="This dataset" />`;
  if (!data) return html`<${Loading} what="the dataset" />`;
  const hasTable = Object.values(data.families).some(({kind}) => kind === 'tabular');
  const hasChannels = Object.values(data.families).some(({kind}) => kind !== 'tabular');
  const remove = async () => {
    await call(path, {method: 'DELETE'});
    notify('The dataset is deleted.');
    go(['datasets']);
  };
  return html`
    <div class="heading"><div><${Title} tab=${data.name || id}>${data.name || id}<//><p class="under"><code>
      ${id}</code>, made ${moment(data.created_at)}</p></div>
      <div class="actions">${hasTable && html`<${Download} path=${`${path}/rows`} accept="text/csv" name=${`${id}.csv`}>Rows, CSV<//>`}
        ${hasChannels && html`<${Download} path=${`${path}/rows`} accept="application/x-npz" name=${`${id}.npz`}>All values, NPZ<//>`}
        <${Action} kind="danger" act=${remove} confirm="Delete this dataset? Models made from it stay.">Delete<//></div></div>
    <${ReadOnlyNote} />
    <${StartJob} dataset=${data} />
    <${Contents} found=${data} />
    <${ItsJobs} id=${id} />
    <${Snippet} requests=${[{path, python: `dataset = client.datasets.get("${id}")`},
      ...(hasTable ? [{path: `${path}/rows`, accept: 'text/csv', output: 'rows.csv', python: `rows = client.datasets.rows("${id}")`}] : []),
      ...(hasChannels ? [{path: `${path}/rows`, accept: 'application/x-npz', output: 'values.npz', python: `client.datasets.download("${id}", Path("values.npz"))`}] : [])]} />`;
}

const familyChip = ([name, {features, kind}]) => html`<span class="chip">${name}, ${plural(features, 'feature')}${
  kind !== 'tabular' && `, ${kind}`}</span> `;

// What a table holds: also of one that is only looked at.
export function Contents({found, choices = null, choose = null}) {
  return html`
    <section class="card" aria-labelledby="contents"><h2 id="contents">What is in it</h2>
      <dl class="facts first"><div><dt>Rows</dt><dd>${count(found.rows)}</dd></div><div><dt>Features</dt><dd>
        ${count(found.features.length)}</dd></div>
        <div class="whole"><dt>Families</dt><dd>${Object.entries(found.families).slice(0, 12).map(familyChip)}</dd></div></dl>
      ${found.warnings.length > 0 && html`<details open=${found.warnings.length < 6}><summary>
        ${found.warnings.length} things to know</summary>
        <ul class="warnings">${found.warnings.slice(0, 100).map(({detail}) => html`<li>${detail}</li>`)}</ul></details>`}
      <${Columns} found=${found} choices=${choices} choose=${choose} />
    </section>`;
}

function ItsJobs({id}) {
  const {data} = useLoaded(signal => getPage(`/v1/jobs?limit=10&dataset=${id}`, {signal}), [id], {every: 5000});
  return html`<section class="card" aria-labelledby="jobs"><h2 id="jobs">Jobs on it</h2>
    ${!data || !data.items.length ? html`<p class="quiet">None yet.</p>` : html`<ul class="lines">${data.items.map(job => html`<li
      key=${job.id}>
      <${Badge} status=${job.status} /> <a href=${link(['jobs', job.id])}>${job.config.name || job.id}</a></li>`)}</ul>
      <a href=${link(['jobs'], {dataset: id})}>All its jobs</a>`}</section>`;
}
