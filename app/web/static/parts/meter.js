// A share from 0 to 1 as a bar.
import {html} from '../html.js';

export const Meter = ({value, label}) => html`<div class="meter" role="progressbar" aria-label=${label} aria-valuemin="0"
  aria-valuemax="100" aria-valuenow=${Math.round(100 * value)}><div style=${{width: `${100 * Math.max(0, Math.min(1, value))}%`}}>
    </div></div>`;
