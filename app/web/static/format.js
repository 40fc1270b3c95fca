// Numbers, times and sizes in words.
const plain = new Intl.NumberFormat('en', {maximumFractionDigits: 0});
const relative = new Intl.RelativeTimeFormat('en', {numeric: 'auto', style: 'short'});

export const count = value => (value === null || value === undefined ? '–' : plain.format(value));
export const plural = (value, word, many = `${word}s`) => `${count(value)} ${value === 1 ? word : many}`;

export function number(value, digits = 3) {
  if (value === null || value === undefined || Number.isNaN(value)) return '–';
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-3) return value.toExponential(digits - 1);
  return String(Number(value.toPrecision(digits)));
}

export const percent = value => (value === null || value === undefined ? '–' : `${number(100 * value, value > 0.995 && value < 1 ? 4 : 2)}%`);

export function bytes(value) {
  if (value === null || value === undefined) return '–';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let at = 0;
  for (; value >= 1024 && at < units.length - 1; at += 1) value /= 1024;
  return `${at ? number(value, 3) : plain.format(value)} ${units[at]}`;
}

export function duration(seconds) {
  if (seconds === null || seconds === undefined || !Number.isFinite(seconds)) return '–';
  if (seconds < 10) return `${number(seconds, 2)} s`;
  if (seconds < 120) return `${Math.round(seconds)} s`;
  if (seconds < 7200) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172800) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

export function ago(time) {
  const seconds = (new Date(time) - Date.now()) / 1000;
  const units = [['second', 60], ['minute', 3600, 60], ['hour', 86400, 3600], ['day', Infinity, 86400]];
  const [unit, , size = 1] = units.find(([, below]) => Math.abs(seconds) < below);
  return relative.format(Math.min(0, Math.round(seconds / size)), unit);
}

export const clock = time => new Date(time).toLocaleTimeString();
export const moment = time => new Date(time).toLocaleString();
