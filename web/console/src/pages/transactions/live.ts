import type { Schemas } from '@/api/client.ts'

export type Row = Schemas['Transaction']

/** News is what has changed at the newest end of a list since it was loaded. */
export interface News {
  /** Rows that have come; at the bound there may be more. */
  readonly fresh: number
  /** Ids of loaded rows that are not what is searched for any more. */
  readonly gone: ReadonlySet<string>
}

/** newsOf compares loaded rows with the newest ones as they are now. headMore says that there are rows behind those. */
export function newsOf(rows: readonly Row[], head: readonly Row[], headMore: boolean): News {
  const loaded = new Set<string>()
  const near = rows.slice(0, 4 * head.length + 100)
  for (const row of near) loaded.add(row.id!)
  const newest = rows[0]?.beganAt ?? ''
  const fresh = head.filter((row) => !loaded.has(row.id!) && row.beganAt! >= newest).length
  const gone = new Set<string>()
  const there = new Set(head.map((row) => row.id))
  const oldest = headMore ? (head.at(-1)?.beganAt ?? '') : ''
  for (const row of near) {
    if (row.beganAt! > oldest && !there.has(row.id)) gone.add(row.id!)
  }
  // Rows behind a head that is the whole list have gone, too, but nobody sees so far: near is enough.
  return { fresh, gone }
}

/** renewed returns the rows with those that the head has as they are now, in their places. */
export function renewed(rows: readonly Row[], head: readonly Row[]): readonly Row[] {
  if (head.length === 0) return rows
  const now = new Map(head.map((row) => [row.id, row]))
  let left = now.size
  const out = rows.slice()
  for (let i = 0; i < out.length && left > 0; i++) {
    const row = now.get(out[i]!.id)
    if (row) {
      out[i] = row
      left--
    }
  }
  return out
}

/** tookMs is how long a transaction took, or has taken by now. */
export function tookMs(row: Row, now: number): number {
  const end = row.endedAt ? Date.parse(row.endedAt) : now
  return Math.max(0, end - Date.parse(row.beganAt ?? row.endedAt ?? ''))
}
