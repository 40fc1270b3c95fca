// Where the page is: the part of the address after `#`, such as `#/jobs/job_1?epoch=3`.
import {useState, useEffect} from './html.js';

// An address may come from anybody: what stands for an id must be able to be one, since it becomes a part of paths.
export const isId = text => /^@?\w[\w.-]*$/.test(text);

const decode = text => {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
};

const read = () => {
  const [path, query = ''] = location.hash.replace(/^#\/?/, '').split('?');
  return {parts: path.split('/').filter(Boolean).map(decode), query: Object.fromEntries(new URLSearchParams(query))};
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
