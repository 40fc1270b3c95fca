// A job's events in a component: all so far, growing while the job lives.
import {useState} from '../html.js';
import {followEvents} from './events.js';
import {useTask} from './loading.js';

const KEPT = 2000;

export function useEvents(id) {
  const [events, setEvents] = useState([]);
  useTask(async signal => {
    setEvents([]);
    const add = more => setEvents(known => [...known, ...more].slice(-KEPT));
    await followEvents(`/v1/jobs/${id}/events`, add, signal);
  }, [id], () => {});
  return events;
}
