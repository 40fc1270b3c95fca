// How a file is sent: its media type by the end of its name, and whether its beginning alone can be looked at.
const TYPES = {
  csv: 'text/csv', tsv: 'text/csv', txt: 'text/csv', parquet: 'application/vnd.apache.parquet', arrow: 'application/vnd.apache.arrow.file',
  feather: 'application/vnd.apache.arrow.file', arrows: 'application/vnd.apache.arrow.stream', npy: 'application/x-npy', npz: 'application/x-npz',
  h5: 'application/x-hdf5', hdf5: 'application/x-hdf5', nc: 'application/x-hdf5', json: 'application/json',
};
export const ENDINGS = Object.keys(TYPES).map(ending => `.${ending}`).concat('.gz').join(',');

// {type, ending, isPlainText, delimiter}
export function formatOf({name}) {
  const parts = name.toLowerCase().split('.');
  const isPacked = parts[parts.length - 1] === 'gz';
  const ending = parts[parts.length - (isPacked ? 2 : 1)];
  const type = TYPES[ending] || 'text/csv';
  return {type, ending, isPlainText: type === 'text/csv' && !isPacked, delimiter: ending === 'tsv' ? '\t' : null};
}
