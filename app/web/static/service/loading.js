// Hooks that load something from the service: once, or again and again.
import {useState, useEffect, useRef} from '../html.js';
import {backOff, pause, untilVisible} from './waiting.js';
import {Problem} from './call.js';

const isFinal = error => error instanceof Problem && error.status < 500 && error.status !== 429;

// Runs `task(signal)` while the component is shown; anew when `inputs` change. What it throws, `onError` gets.
export function useTask(task, inputs, onError) {
  useEffect(() => {
    const controller = new AbortController();
    task(controller.signal).catch(error => {
      if (error.name !== 'AbortError' && !controller.signal.aborted) onError(error);
    });
    return () => controller.abort();
  }, inputs);
}

// {data, error, reload}: what `load(signal)` gave. When the first of the inputs changes, the old data goes; the others
// only load it again. With `every` it is loaded again after so many milliseconds. Lost connections and busy services
// are tried again; a refusal ends it.
export function useLoaded(load, inputs, {every = null} = {}) {
  const [state, setState] = useState({data: null, error: null});
  const [round, setRound] = useState(0);
  const shown = useRef(null);
  useTask(async signal => {
    if (shown.current !== inputs[0]) setState({data: null, error: null});
    shown.current = inputs[0];
    for (let failures = 0; ;) {
      await untilVisible(signal);
      try {
        const data = await load(signal);
        if (signal.aborted) return;
        setState({data, error: null});
        failures = 0;
        if (every === null) return;
        await pause(every, signal);
      } catch (error) {
        if (error.name === 'AbortError' || isFinal(error)) throw error;
        await pause(Math.max(backOff(failures), 1000 * (error.retryAfter || 0)), signal);
        failures = Math.min(failures + 1, 6);
      }
    }
  }, [...inputs, round], error => setState(current => ({...current, error})));
  return {...state, reload: () => setRound(value => value + 1)};
}
