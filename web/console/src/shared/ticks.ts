/** distinct returns the labels of an axis, from its foot upwards. Where values are too close together for their texts
 * to tell them apart, only the foot has one: a label twice says nothing. */
export function distinct(labels: readonly string[]): string[] {
  if (new Set(labels).size === labels.length) return [...labels]
  return labels.map((label, i) => (i === 0 ? label : ''))
}

/** sizeOf returns the width that the labels of an axis need, so that none is cut, and with it the gap to the lines. It
 * is never less than what short ones take, so that charts one below the other begin at the same place. */
export function sizeOf(
  labels: readonly string[] | null | undefined,
  widthOf: (label: string) => number,
): number {
  return Math.max(52, ...(labels ?? []).map((label) => Math.ceil(widthOf(label)) + 16))
}

/** timeOf returns the time of day without the zone, which stands before it in some languages. */
export function timeOf(clock: string): string {
  return /\d+:\d+:\d+/.exec(clock)?.[0] ?? clock
}
