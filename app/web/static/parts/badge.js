// A job's state, as a word with a sign; the colour only repeats what the word says.
import {html} from '../html.js';

const SIGNS = {queued: '○', running: '●', pausing: '◐', paused: '‖', cancelling: '◐', cancelled: '–', succeeded: '✓', failed: '✕'};

export const Badge = ({status}) => html`<span class="badge ${status}"><span aria-hidden="true">${SIGNS[status]}</span> ${status}</span>`;
