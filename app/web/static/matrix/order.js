// The order in which features are shown: by category, the surest first. And what a row of the matrix says.

// values: Float32Array [D * G], row after row.
export function orderOf(values, rows, columns) {
  const best = new Int32Array(rows);
  const share = new Float32Array(rows);
  for (let row = 0; row < rows; row += 1) {
    const said = readRow(values, row, columns);
    best[row] = said.best;
    share[row] = said.share;
  }
  return Int32Array.from({length: rows}, (_, row) => row).sort((a, b) => best[a] - best[b] || share[b] - share[a] || a - b);
}

// The largest share of a row and the second, with their columns; the second is -1 in a single column.
export function readRow(values, row, columns) {
  let best = 0;
  let next = -1;
  for (let column = 1, start = row * columns; column < columns; column += 1) {
    const value = values[start + column];
    if (value > values[start + best]) {
      next = best;
      best = column;
    } else if (next < 0 || value > values[start + next]) {
      next = column;
    }
  }
  const at = column => (column < 0 ? 0 : values[row * columns + column]);
  return {best, share: at(best), next, nextShare: at(next)};
}
