// Waiting that can be called off, grows after failures, and rests while nobody looks at the tab.
const LONGEST_MS = 15000;

export const backOff = failures => Math.min(LONGEST_MS, 500 * 2 ** failures) * (0.75 + Math.random() / 2);

export function pause(ms, signal) {
  if (signal.aborted) return Promise.reject(new DOMException('stopped', 'AbortError'));
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      window.removeEventListener('online', done);
      reject(new DOMException('stopped', 'AbortError'));
    };
    const done = () => {
      clearTimeout(timer);
      window.removeEventListener('online', done);
      signal.removeEventListener('abort', stop);
      resolve();
    };
    const timer = setTimeout(done, ms);
    window.addEventListener('online', done);
    signal.addEventListener('abort', stop, {once: true});
  });
}

// A signal that stops as `signal` does, and when the tab is hidden.
export function whileVisible(signal) {
  const controller = new AbortController();
  const stop = () => {
    if (signal.aborted || document.hidden) controller.abort();
  };
  document.addEventListener('visibilitychange', stop, {signal: controller.signal});
  signal.addEventListener('abort', stop, {signal: controller.signal});
  return controller.signal;
}

export function untilVisible(signal) {
  if (!document.hidden) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const look = () => {
      if (document.hidden) return;
      document.removeEventListener('visibilitychange', look);
      resolve();
    };
    document.addEventListener('visibilitychange', look);
    signal.addEventListener('abort', () => {
      document.removeEventListener('visibilitychange', look);
      reject(new DOMException('stopped', 'AbortError'));
    }, {once: true});
  });
}
