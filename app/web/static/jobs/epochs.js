// A slider over the epochs whose assignment was kept, and a button that plays them.
import {html, useEffect, useState} from '../html.js';

const STEP_MS = 180;

export function EpochSlider({epochs, epoch, newest, choose}) {
  const [isPlaying, setPlaying] = useState(false);
  const sorted = [...epochs].sort((a, b) => a - b);
  const last = sorted.length - 1;
  const at = epoch === null ? last : sorted.indexOf(epoch);
  const set = place => choose(place >= last ? null : sorted[place]);
  useEffect(() => {
    if (!isPlaying) return undefined;
    const timer = setTimeout(() => {
      if (at >= last) setPlaying(false);
      else set(at + 1);
    }, STEP_MS);
    return () => clearTimeout(timer);
  }, [isPlaying, at]);
  if (sorted.length < 2) return null;
  const play = () => {
    if (!isPlaying && at >= last) set(0);
    setPlaying(!isPlaying);
  };
  return html`
    <div class="epochs"><button onClick=${play}>${isPlaying ? 'Stop' : 'Play'}</button>
      <label>Epoch <input type="range" min="0" max=${last} value=${at}
        aria-valuetext=${epoch === null ? `${newest}, the newest` : `${epoch}`}
        onInput=${event => set(Number(event.target.value))} /></label>
      <output>${epoch === null ? `${newest} (newest)` : epoch}</output></div>`;
}
