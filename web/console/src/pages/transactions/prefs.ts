import { readStored, writeStored } from '@/i18n'

/** columnIds are all columns, in their usual order; the first ones are shown if nobody has chosen. */
export const columnIds = [
  'id',
  'status',
  'name',
  'application',
  'began',
  'took',
  'branches',
  'cause',
  'next',
  'group',
  'saga',
  'key',
  'deadline',
  'ended',
  'xid',
] as const
export type ColumnId = (typeof columnIds)[number]

const usual: readonly ColumnId[] = columnIds.slice(0, 9)

/** Prefs are how somebody likes to see the list. */
export interface Prefs {
  readonly columns: readonly ColumnId[]
  readonly dense: boolean
  readonly auto: boolean
}

const place = 'concord-transactions'

/** readPrefs reads what the browser keeps; what it does not understand is as usual. */
export function readPrefs(text = readStored(place)): Prefs {
  let kept: { columns?: unknown; dense?: unknown; auto?: unknown } = {}
  try {
    kept = (JSON.parse(text ?? '{}') ?? {}) as typeof kept
  } catch {
    // Somebody else's text.
  }
  return { columns: knownColumns(kept.columns) ?? usual, dense: kept.dense === true, auto: kept.auto !== false }
}

/** knownColumns takes those of a list that there are, each once; undefined if none is. */
export function knownColumns(list: unknown): ColumnId[] | undefined {
  if (!Array.isArray(list)) return undefined
  const known = [...new Set(list)].filter((id): id is ColumnId => columnIds.includes(id as ColumnId))
  return known.length > 0 ? known : undefined
}

export function writePrefs(prefs: Prefs): void {
  writeStored(place, JSON.stringify(prefs))
}

export const usualColumns = usual

/** toggled shows a column at the end of the others, or hides it; the last one stays. */
export function toggled(columns: readonly ColumnId[], id: ColumnId): readonly ColumnId[] {
  if (!columns.includes(id)) return [...columns, id]
  return columns.length > 1 ? columns.filter((each) => each !== id) : columns
}

/** moved shifts a column by a number of places. */
export function moved(columns: readonly ColumnId[], id: ColumnId, by: number): readonly ColumnId[] {
  const from = columns.indexOf(id)
  const to = Math.max(0, Math.min(columns.length - 1, from + by))
  if (from < 0 || from === to) return columns
  const out = columns.filter((each) => each !== id)
  out.splice(to, 0, id)
  return out
}
