// A place to drop a file on, which also opens the file dialog: it is a file field with a large label.
import {html, useState} from '../html.js';

export function Drop({label, take, accept, isLarge = false}) {
  const [isOver, setOver] = useState(false);
  const stop = event => {
    event.preventDefault();
    setOver(event.type === 'dragover');
  };
  const drop = event => {
    stop(event);
    if (event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
  };
  const choose = event => {
    if (event.target.files.length) take(event.target.files[0]);
    event.target.value = '';
  };
  return html`<label class=${`drop ${isLarge ? 'large' : ''} ${isOver ? 'over' : ''}`} onDragOver=${stop} onDragLeave=${stop}
    onDrop=${drop}>
    <span>${label}</span><input type="file" class="hidden" accept=${accept} onChange=${choose} /></label>`;
}
