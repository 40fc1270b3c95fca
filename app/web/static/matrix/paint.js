// Draws a soft assignment on a canvas, and lets each picture melt into the next.
import {familyColour, sharePixels} from './colours.js';

const MELT_MS = 400;
const BAR = 10; // CSS pixels of the families' bar
const GAP = 4;
const still = matchMedia('(prefers-reduced-motion: reduce)');

export const MARGIN = BAR + GAP;

// Keeps what a canvas shows. `picture`: {values, rows, columns, order, families}; order says which row of the values
// is drawn in which place, families which colour its bar has.
export class MatrixPainter {
  constructor(canvas) {
    this.canvas = canvas;
    this.cells = document.createElement('canvas');
    this.frame = 0;
    this.shown = null;
    this.recolour();
  }

  recolour() {
    this.pixels = sharePixels();
    if (this.picture) this.draw(this.picture.values);
  }

  // Shows a picture; where the last one had the same shape, over a few frames.
  show(picture) {
    const from = this.shown;
    const isSame = this.picture && this.picture.rows === picture.rows && this.picture.columns === picture.columns;
    this.picture = picture;
    cancelAnimationFrame(this.frame);
    if (!isSame || still.matches || document.hidden) {
      this.draw(picture.values);
      return;
    }
    const start = performance.now();
    const between = new Float32Array(picture.values.length);
    const step = now => {
      const share = Math.min(1, Math.max(0, (now - start) / MELT_MS));
      for (let n = 0; n < between.length; n += 1) between[n] = from[n] + (picture.values[n] - from[n]) * share;
      this.draw(share < 1 ? between : picture.values);
      if (share < 1) this.frame = requestAnimationFrame(step);
    };
    this.frame = requestAnimationFrame(step);
  }

  stop() {
    cancelAnimationFrame(this.frame);
  }

  draw(values) {
    const began = performance.now();
    const {rows, columns, order, families} = this.picture;
    this.shown = values;
    this.fillCells(values, rows, columns, order);
    const {canvas, cells} = this;
    const ratio = canvas.width / canvas.clientWidth || 1;
    const margin = Math.round(MARGIN * ratio);
    const context = canvas.getContext('2d');
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.imageSmoothingEnabled = rows > canvas.height; // thin rows are averaged, not dropped
    context.imageSmoothingQuality = 'medium';
    context.drawImage(cells, margin, 0, canvas.width - margin, canvas.height);
    for (let place = 0; place < rows;) {
      const family = families[order[place]];
      let end = place + 1;
      while (end < rows && families[order[end]] === family) end += 1;
      context.fillStyle = familyColour(family);
      const top = Math.round((place / rows) * canvas.height);
      context.fillRect(0, top, Math.round(BAR * ratio), Math.max(1, Math.round((end / rows) * canvas.height) - top));
      place = end;
    }
    performance.measure('matrix-frame', {start: began, end: performance.now()});
    if (performance.getEntriesByName('matrix-frame').length > 500) performance.clearMeasures('matrix-frame');
  }

  fillCells(values, rows, columns, order) {
    const {cells, pixels} = this;
    if (cells.width !== columns || cells.height !== rows) {
      cells.width = columns;
      cells.height = rows;
      this.image = new ImageData(columns, rows);
      this.words = new Uint32Array(this.image.data.buffer);
    }
    for (let place = 0, to = 0; place < rows; place += 1) {
      for (let column = 0, from = order[place] * columns; column < columns; column += 1, to += 1, from += 1) {
        this.words[to] = pixels[Math.max(0, Math.min(255, (values[from] * 255) | 0))];
      }
    }
    cells.getContext('2d').putImageData(this.image, 0, 0);
  }
}
