// How to get what is on the screen without the page: curl and Python, ready to copy.
import {html, useState} from '../html.js';
import {useObservable} from '../service/observable.js';
import {session} from '../service/session.js';
import {Copy} from './copy.js';

// requests: [{method, path, type, body, accept, output, python}]; `body` is the name of a file.
export function Snippet({requests}) {
  const {key} = useObservable(session);
  const [language, setLanguage] = useState('curl');
  const text = language === 'curl' ? requests.map(request => curl(request, key)).join('\n') : python(requests);
  return html`
    <section class="card snippet" aria-labelledby="snippet"><h2 id="snippet">The same without this page</h2>
      <div class="tabs" role="group" aria-label="Language">${['curl', 'Python'].map(name => html`
        <button aria-pressed=${language === name} onClick=${() => setLanguage(name)}>${name}</button>`)}<${Copy} text=${text} /></div>
      <pre tabindex="0"><code>${text}</code></pre></section>`;
}

const quoted = text => `'${text.replaceAll("'", "'\\''")}'`;

// The key itself is never part of what is copied; the Python client takes it from CATVQ_API_KEY by itself.
function curl({method = 'GET', path, type, body, accept, output}, key) {
  return ['curl -sf', method !== 'GET' && `-X ${method}`, quoted(location.origin + path), key && '-H "Authorization: Bearer $CATVQ_API_KEY"',
    type && `-H ${quoted(`Content-Type: ${type}`)}`, accept && `-H ${quoted(`Accept: ${accept}`)}`,
    body && `--data-binary @${body}`, output && `-o ${output}`].filter(Boolean).join(' ');
}

function python(requests) {
  const lines = requests.map(({python: line}) => `    ${line}`);
  return ['from catvq_client import Client', '', `with Client("${location.origin}") as client:`, ...lines].join('\n');
}
