// The assignment of a job as it anneals: the newest one as it comes, or any epoch that was kept.
import {html, useMemo, useRef, useState} from '../html.js';
import {getJson} from '../service/call.js';
import {useLoaded} from '../service/loading.js';
import {pause} from '../service/waiting.js';
import {Matrix} from '../matrix/matrix.js';
import {familiesOf} from '../matrix/families.js';
import {orderOf} from '../matrix/order.js';
import {number} from '../format.js';
import {EpochSlider} from './epochs.js';

const NO_COLUMNS = []; // of a dataset that is not read yet, or is gone
const LEAST_MS = 700; // between two looks at a job that is at work

export function LiveAssignment({job}) {
  const [epoch, setEpoch] = useState(null); // null: the newest
  const newest = useNewest(job);
  const earlier = useEpoch(job.id, epoch);
  const dataset = useLoaded(signal => getJson(`/v1/datasets/${job.config.dataset}`, {signal}), [job.config.dataset]);
  const kept = useLoaded(signal => getJson(`/v1/jobs/${job.id}/checkpoints`, {signal}), [job.id, newest && newest.epoch]);
  const columns = dataset.data ? dataset.data.columns : NO_COLUMNS;
  const families = useMemo(() => newest && familiesOf(newest.features, columns), [newest && newest.features.length, columns]);
  const shown = epoch === null ? newest : earlier && newest && {...earlier, order: earlier.values.length === newest.values.length ? newest.order : null};
  return html`
    <section class="card" aria-labelledby="assignment"><h2 id="assignment">Which feature belongs to which category</h2>
      ${!newest ? html`<p class="quiet">There is no assignment yet: the first step has to be taken.</p>` : html`
        <p class="under">${shown && shown.epoch !== null && html`After epoch ${shown.epoch}, at temperature ${number(shown.temperature)}. `}
          Each row is a feature, each column a category; rows are sorted by the newest category.</p>
        <${EpochSlider} epochs=${kept.data ? kept.data.assignments : []} epoch=${epoch} newest=${newest.epoch} choose=${setEpoch} />
        <${Matrix} shown=${shown || newest} families=${families}
          label=${`Soft assignment of ${newest.features.length} features to ${newest.categories.length} categories`} />`}
    </section>`;
}

// The newest assignment, looked at again when the job has come further.
function useNewest(job) {
  const askedAt = useRef(0);
  const {data} = useLoaded(async signal => {
    await pause(Math.max(0, askedAt.current + LEAST_MS - Date.now()), signal);
    const found = await fetchAssignment(job.id, null, signal);
    askedAt.current = Date.now();
    return found;
  }, [job.id, job.progress.epoch, job.status]);
  return data;
}

function useEpoch(id, epoch) {
  const kept = useRef(new Map());
  const {data} = useLoaded(async signal => {
    if (epoch === null) return null;
    if (!kept.current.has(epoch)) kept.current.set(epoch, await fetchAssignment(id, epoch, signal));
    return kept.current.get(epoch);
  }, [id, epoch]);
  return epoch === null ? null : data;
}

async function fetchAssignment(id, epoch, signal) {
  const found = await getJson(`/v1/jobs/${id}/assignment${epoch === null ? '' : `?epoch=${epoch}`}`, {signal});
  if (!found.matrix || !found.categories.length) return null;
  const features = found.features || found.matrix.map((_, n) => `feature ${n}`);
  const values = Float32Array.from(found.matrix.flat());
  return {...found, matrix: null, features, values, order: orderOf(values, features.length, found.categories.length)};
}
