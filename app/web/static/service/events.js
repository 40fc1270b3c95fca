// A job's events as they happen (server-sent events), taken up after the last one wherever the stream broke off.
// fetch and not EventSource, since an EventSource cannot send a key. A tab that nobody looks at holds no stream: browsers
// open few connections to one service.
import {call, Problem} from './call.js';
import {backOff, pause, untilVisible, whileVisible} from './waiting.js';

export async function followEvents(path, onEvents, signal) {
  let last = 0;
  for (let failures = 0; ;) {
    await untilVisible(signal);
    try {
      const headers = {'Last-Event-ID': `${last}`};
      const answer = await call(path, {accept: 'text/event-stream', headers, signal: whileVisible(signal)});
      if (answer.status === 204) return; // the job has ended, and everything was told
      failures = 0;
      for await (const events of messages(answer.body)) {
        last = events[events.length - 1].id;
        onEvents(events);
      }
    } catch (error) {
      if (error instanceof Problem && error.status < 500) throw error;
      if (error.name === 'AbortError' && !signal.aborted) continue;
    }
    await pause(backOff(failures), signal);
    failures = Math.min(failures + 1, 6);
  }
}

// Yields lists of events, as many as came together.
async function* messages(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const {done, value} = await reader.read();
    if (done) return;
    const blocks = (rest + value.replaceAll('\r\n', '\n')).split('\n\n');
    rest = blocks.pop();
    const events = blocks.map(dataOf).filter(Boolean).map(data => JSON.parse(data));
    if (events.length) yield events;
  }
}

function dataOf(block) {
  const lines = block.split('\n').filter(line => line.startsWith('data:'));
  return lines.map(line => line.slice(5).trimStart()).join('\n');
}
