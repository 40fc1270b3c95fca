// A job as it is now: long polls, each answered at the next change.
import {useState, useMemo} from '../html.js';
import {call, Problem} from './call.js';
import {useTask} from './loading.js';
import {backOff, pause, untilVisible} from './waiting.js';

const ENDED = ['succeeded', 'failed', 'cancelled'];
export const hasEnded = job => ENDED.includes(job.status);

// How long a job that has ended took, in seconds; null where it never started.
export const secondsTaken = ({started_at: start, finished_at: end}) => (start && end ? (new Date(end) - new Date(start)) / 1000 : null);

const WAIT_S = 20;
const LEAST_MS = 250; // between two answers: a small job changes more often than anybody can look
const ENDED_MS = 5000; // a job that has ended may be retried by somebody else

// {job, error, update}: `update` takes a newer state that an action answered with.
export function useJob(id) {
  const [state, setState] = useState({job: null, error: null});
  const update = useMemo(() => job => setState({job, error: null}), []);
  useTask(async signal => {
    setState({job: null, error: null});
    let tag = null;
    for (let failures = 0; ;) {
      await untilVisible(signal);
      try {
        const headers = tag ? {'If-None-Match': tag, Prefer: `wait=${WAIT_S}`} : {};
        const answer = await call(`/v1/jobs/${id}`, {headers, signal});
        failures = 0;
        if (answer.status === 304) continue;
        tag = answer.headers.get('ETag');
        const job = await answer.json();
        if (signal.aborted) return;
        update(job);
        await pause(hasEnded(job) ? ENDED_MS : LEAST_MS, signal);
      } catch (error) {
        if (error.name === 'AbortError' || (error instanceof Problem && error.status < 500)) throw error;
        await pause(backOff(failures), signal);
        failures = Math.min(failures + 1, 6);
      }
    }
  }, [id], error => setState(current => ({...current, error})));
  return {...state, update};
}
