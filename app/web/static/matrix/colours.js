// Colours of shares and of families, in light and in dark.
const RAMPS = {
  light: [[246, 246, 242], [190, 224, 214], [94, 176, 165], [15, 118, 110], [6, 60, 60]],
  dark: [[27, 33, 40], [20, 74, 72], [24, 132, 122], [70, 182, 168], [178, 243, 229]],
};
const FAMILIES = ['#4477aa', '#ee8866', '#44aa77', '#ccaa33', '#aa4499', '#66bbdd', '#996644', '#888899'];

export const scheme = matchMedia('(prefers-color-scheme: dark)');
export const familyColour = index => FAMILIES[index % FAMILIES.length];

// 256 colours from 0 to 1, as canvas pixels (little-endian RGBA).
export function sharePixels() {
  const ramp = RAMPS[scheme.matches ? 'dark' : 'light'];
  return Uint32Array.from({length: 256}, (_, n) => {
    const at = (n / 255) * (ramp.length - 1);
    const low = Math.min(Math.floor(at), ramp.length - 2);
    const [red, green, blue] = ramp[low].map((part, channel) => Math.round(part + (ramp[low + 1][channel] - part) * (at - low)));
    return (255 << 24) | (blue << 16) | (green << 8) | red;
  });
}

export const css = name => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
