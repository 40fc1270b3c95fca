// The frame around every view: header, sign-in, what went wrong, and the view that the address names.
import {html, useEffect, useRef} from './html.js';
import {isId, link, useRoute} from './router.js';
import {getJson} from './service/call.js';
import {useLoaded} from './service/loading.js';
import {session, remember, signOut} from './service/session.js';
import {connection} from './service/connection.js';
import {useObservable} from './service/observable.js';
import {SignIn} from './parts/sign_in.js';
import {Notices} from './parts/notices.js';
import {Trouble} from './parts/trouble.js';
import {JobsView} from './jobs/list.js';
import {JobView} from './jobs/job.js';
import {ModelsView} from './models/list.js';
import {ModelView} from './models/model.js';
import {DatasetsView} from './datasets/list.js';
import {DatasetView} from './datasets/dataset.js';
import {NewView} from './datasets/new.js';
import {CompareRuns} from './compare/runs.js';
import {CompareModels} from './compare/models.js';

// What the views are called; a section is marked by the first part of the address.
const NAMES = {jobs: 'Jobs', models: 'Models', datasets: 'Datasets'};
const SECTIONS = {new: 'datasets', compare: 'jobs'};

const VIEWS = [
  {at: ['jobs'], show: ({query}) => html`<${JobsView} query=${query} />`},
  {at: ['jobs', '*'], show: ({parts}) => html`<${JobView} key=${parts[1]} id=${parts[1]} />`},
  {at: ['models'], show: ({query}) => html`<${ModelsView} query=${query} />`},
  {at: ['models', '*'], show: ({parts}) => html`<${ModelView} key=${parts[1]} id=${parts[1]} />`},
  {at: ['datasets'], show: ({query}) => html`<${DatasetsView} query=${query} />`},
  {at: ['datasets', '*'], show: ({parts}) => html`<${DatasetView} key=${parts[1]} id=${parts[1]} />`},
  {at: ['new'], show: () => html`<${NewView} />`},
  {at: ['compare'], show: ({query}) => html`<${CompareRuns} query=${query} />`},
  {at: ['compare', 'models'], show: ({query}) => html`<${CompareModels} query=${query} />`},
];

export function App() {
  const route = useRoute();
  const current = useObservable(session);
  const parts = route.parts.length ? route.parts : ['jobs'];
  return html`
    <a class="skip" href="#main" onClick=${skip}>Skip to the content</a>
    <${Header} section=${parts[0]} current=${current} />
    <${Connection} />
    <main id="main" tabindex="-1">
      ${current.asks ? html`<${SignIn} refusal=${current.refusal} />`
        : html`<${Entrance} key=${current.key}><${View} route=${{...route, parts}} /><//>`}
    </main>
    <${Notices} />`;
}

function skip(event) {
  event.preventDefault();
  document.getElementById('main').focus();
}

// Reads what the service is and what the key may do, before any view asks for something.
function Entrance({children}) {
  const {data, error} = useLoaded(signal => getJson('/v1', {signal}), []);
  useEffect(() => {
    if (data) remember(data);
  }, [data]);
  if (error && error.status !== 401) return html`<${Trouble} error=${error} what="The service" />`;
  return data ? children : html`<p class="quiet" role="status">Asking the service …</p>`;
}

function View({route}) {
  const found = VIEWS.find(({at}) => at.length === route.parts.length && at.every((part, n) => (part === '*' ? isId(route.parts[n]) : part === route.parts[n])));
  const path = route.parts.join('/');
  const last = useRef(path);
  useEffect(() => {
    if (last.current === path) return;
    last.current = path;
    window.scrollTo(0, 0);
    document.getElementById('main').focus({preventScroll: true});
  }, [path]);
  return found ? found.show(route) : html`<h1>Nothing here</h1><p>There is no view at <code>#/${path}</code>.</p>`;
}

function Header({section, current}) {
  return html`
    <header class="top">
      <a class="brand" href="#/jobs"><span class="mark" aria-hidden="true"></span>catvq</a>
      <nav aria-label="Views">
        ${Object.entries(NAMES).map(([name, title]) => html`
          <a href=${link([name])} aria-current=${(SECTIONS[section] || section) === name ? 'page' : undefined}>${title}</a>`)}
      </nav>
      <div class="corner">
        <a href="/docs">API</a>
        ${current.key && html`<span class="scope" title="What the key of this tab may do">${current.scope || '…'} key</span>
          <button class="plain" onClick=${() => signOut()}>Sign out</button>`}
      </div>
    </header>`;
}

function Connection() {
  const state = useObservable(connection);
  return html`<div class="connection" role="status">${state === 'lost' && html`
    <p>The service does not answer. What you see may be old; it is asked again until it answers.</p>`}</div>`;
}
