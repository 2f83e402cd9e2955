/** Edges says at which sides of what is shown there is more. */
export interface Edges {
  readonly left: boolean
  readonly right: boolean
}

/** edgesOf says at which sides more can be scrolled to; a pixel is rounding. */
export function edgesOf(box: { scrollLeft: number; clientWidth: number; scrollWidth: number }): Edges {
  const rest = box.scrollWidth - box.clientWidth - Math.abs(box.scrollLeft)
  return { left: Math.abs(box.scrollLeft) > 1, right: rest > 1 }
}
