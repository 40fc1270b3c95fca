// Where the page is: the part of the address after `#`, such as `#/jobs/job_1?epoch=3`.
import {useState, useEffect} from './html.js';

const read = () => {
  const [path, query = ''] = location.hash.replace(/^#\/?/, '').split('?');
  return {parts: path.split('/').filter(Boolean).map(decodeURIComponent), query: Object.fromEntries(new URLSearchParams(query))};
};

export function useRoute() {
  const [route, setRoute] = useState(read);
  useEffect(() => {
    const follow = () => setRoute(read());
    window.addEventListener('hashchange', follow);
    return () => window.removeEventListener('hashchange', follow);
  }, []);
  return route;
}

export function link(parts, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== '');
  const path = parts.map(encodeURIComponent).join('/');
  return `#/${path}${given.length ? `?${new URLSearchParams(given)}` : ''}`;
}

export const go = (parts, query) => {
  location.hash = link(parts, query);
};

// Changes the query without a new entry in the history.
export function replaceQuery(parts, query) {
  history.replaceState(null, '', link(parts, query));
  window.dispatchEvent(new HashChangeEvent('hashchange'));
}
