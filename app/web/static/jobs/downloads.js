// What can be taken away of a job: its curves and its assignment, as numbers and as pictures.
import {html} from '../html.js';
import {Download} from '../parts/save.js';

export function Downloads({job}) {
  if (job.kind !== 'training' || !job.progress.epoch) return null;
  const {id} = job;
  const own = `/v1/jobs/${id}`;
  return html`
    <section class="card" aria-labelledby="downloads"><h2 id="downloads">Take it away</h2><div class="actions">
      <${Download} path=${`${own}/metrics?max_points=10000`} accept="text/csv" name=${`${id}-metrics.csv`}>Curves, CSV<//>
      <${Download} path=${`${own}/metrics`} accept="image/svg+xml" name=${`${id}-metrics.svg`}>Curves, SVG<//>
      <${Download} path=${`${own}/assignment`} accept="text/csv" name=${`${id}-assignment.csv`}>Assignment, CSV<//>
      <${Download} path=${`${own}/assignment`} accept="image/png" name=${`${id}-assignment.png`}>Assignment, PNG<//>
    </div></section>`;
}
