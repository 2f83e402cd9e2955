/** Outcome is how an attempt ended, or that it has not. */
export type Outcome = 'done' | 'failed' | 'refused' | 'running' | 'unknown'

/** Span is something that took time: an attempt, a phase, a wait between two attempts. */
export interface Span {
  readonly type: 'span'
  readonly id: string
  readonly kind: 'attempt' | 'phase' | 'wait' | 'untold'
  readonly from: number
  readonly to: number
  readonly outcome: Outcome
  /** What it is, in words. */
  readonly title: string
  /** What was said, verbatim. */
  readonly text?: string | undefined
  readonly attempt?: number | undefined
  /** False where the start is not known, only that it was not earlier. */
  readonly startKnown: boolean
  /** It has not ended yet: `to` moves with the clock. */
  readonly open?: boolean
}

/** Point is something that happened at a moment. */
export interface Point {
  readonly type: 'point'
  readonly id: string
  readonly kind: 'mark' | 'durable' | 'person' | 'trouble' | 'planned'
  readonly at: number
  readonly title: string
  readonly text?: string | undefined
  /** A line through all lanes: begin, decision, end. */
  readonly across?: boolean
}

export type Item = Span | Point

/** Lane is one participant's row; its items are in the order of their time. */
export interface Lane {
  readonly id: string
  /** Lanes of one group are folded together. */
  readonly group: string
  readonly title: string
  readonly subtitle?: string | undefined
  /** Whether something in it has failed. */
  readonly failed: boolean
  readonly items: readonly Item[]
}

/** startOf is when an item begins. */
export function startOf(item: Item): number {
  return item.type === 'span' ? item.from : item.at
}

/** endOf is when an item ends. */
export function endOf(item: Item): number {
  return item.type === 'span' ? item.to : item.at
}

/** troubled says whether an item tells of something that went wrong. */
export function troubled(item: Item): boolean {
  if (item.type === 'point') return item.kind === 'trouble'
  return item.outcome === 'failed' || item.outcome === 'refused'
}

/** boundsOf is the first and the last moment of all lanes. */
export function boundsOf(lanes: readonly Lane[]): { first: number; last: number } {
  let first = Number.POSITIVE_INFINITY
  let last = Number.NEGATIVE_INFINITY
  for (const lane of lanes) {
    for (const item of lane.items) {
      first = Math.min(first, startOf(item))
      last = Math.max(last, endOf(item))
    }
  }
  return first <= last ? { first, last } : { first: 0, last: 1 }
}

/** Row is what a timeline draws: a lane, or a group of lanes that is folded into one. */
export interface Row extends Lane {
  /** How many lanes it stands for, if it is a folded group. */
  readonly folds: number
}

/** rowsOf applies what people have chosen: only what failed, and which groups are folded. */
export function rowsOf(
  lanes: readonly Lane[],
  chosen: { failedOnly: boolean; folded: ReadonlySet<string> },
  names: Record<string, string>,
): Row[] {
  const out: Row[] = []
  const seen = new Set<string>()
  const wanted = chosen.failedOnly ? lanes.filter((lane) => lane.failed) : lanes
  for (const lane of wanted) {
    if (!chosen.folded.has(lane.group)) {
      out.push({ ...lane, folds: 0 })
      continue
    }
    if (seen.has(lane.group)) continue
    seen.add(lane.group)
    const own = wanted.filter((one) => one.group === lane.group)
    out.push({
      id: `group:${lane.group}`,
      group: lane.group,
      title: names[lane.group] ?? lane.group,
      failed: own.some((one) => one.failed),
      items: own.flatMap((one) => one.items).sort((a, b) => startOf(a) - startOf(b)),
      folds: own.length,
    })
  }
  return out
}

/** visibleItems returns what is to be drawn of a row between two moments, with what would not be told apart left out:
 * of several items within less than `least` the weightiest stays. Failures are never left out for others. What is
 * near is measured where `place` puts a moment. */
export function visibleItems(
  items: readonly Item[],
  from: number,
  to: number,
  least: number,
  place: (at: number) => number = (at) => at,
): Item[] {
  const out: Item[] = []
  const last = new Map<string, { item: Item; start: number; short: boolean; index: number }>()
  for (const item of items) {
    if (endOf(item) < from || startOf(item) > to) continue
    const start = place(startOf(item))
    const short = place(endOf(item)) - start < least
    const key = `${item.type} ${item.kind}`
    const before = last.get(key)
    if (short && before?.short && start - before.start < least) {
      if (!troubled(item) || troubled(before.item)) continue
      out[before.index] = item
      last.set(key, { ...before, item })
      continue
    }
    last.set(key, { item, start, short, index: out.push(item) - 1 })
  }
  return out
}
