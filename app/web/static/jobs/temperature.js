// Holds, sets and releases the temperature of a running job.
import {html, useState, useEffect} from '../html.js';
import {getJson, sendJson} from '../service/call.js';
import {useLoaded} from '../service/loading.js';
import {Action} from '../parts/action.js';
import {notify} from '../parts/notices.js';
import {number} from '../format.js';

export function TemperatureControl({job}) {
  const path = `/v1/jobs/${job.id}/temperature`;
  const {data, reload} = useLoaded(signal => getJson(path, {signal}), [path, job.status]);
  const [value, setValue] = useState('');
  useEffect(() => {
    if (value === '' && job.temperature) setValue(number(job.temperature));
  }, [job.temperature]);
  if (!data || data.start === null || job.status !== 'running') return null;
  const change = async (body, said) => {
    await sendJson(path, body, {method: 'PATCH'});
    notify(said);
    reload();
  };
  const set = () => change({temperature: Number(value)}, `The temperature is held at ${value}.`);
  return html`
    <div class="temperature" role="group" aria-label="Temperature">
      <p>${data.held ? 'Held by hand.' : html`Follows its schedule: ${data.schedule}, ${number(data.start)} to ${number(data.end)}.`}</p>
      <${Action} act=${() => change({held: true}, 'The temperature is held where it is.')}
        unless=${data.held ? 'It is held already.' : null}>Hold<//>
      <label>at <input type="number" min="0.001" step="any" size="6" value=${value}
        onInput=${event => setValue(event.target.value)} /></label>
      <${Action} act=${set} unless=${Number(value) >= 0.001 ? null : 'Give a temperature of 0.001 or more.'}>Set<//>
      <${Action} act=${() => change({held: false}, 'The temperature follows its schedule again.')}
        unless=${data.held ? null : 'It follows its schedule already.'}>Release<//>
    </div>`;
}
