/** distinct returns the labels of an axis, from its foot upwards. Where values are too close together for their texts
 * to tell them apart, only the foot has one: a label twice says nothing. */
export function distinct(labels: readonly string[]): string[] {
  if (new Set(labels).size === labels.length) return [...labels]
  return labels.map((label, i) => (i === 0 ? label : ''))
}
