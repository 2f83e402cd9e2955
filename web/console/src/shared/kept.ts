import { nowhere, type Held } from './cursor.ts'

/** keep has the entry of the history that is shown remember on which row of a table one is, for when one comes back.
 * What else the entry remembers stays. */
export function keep(label: string, held: Held): void {
  history.replaceState({ ...(history.state as object | null), row: { label, ...held } }, '')
}

/** kept is the row of a table that the entry of the history remembers; nowhere if it remembers none. */
export function kept(label: string): Held {
  const row = (history.state as { row?: Held & { label: string } } | null)?.row
  return row?.label === label ? { id: row.id, index: row.index } : nowhere
}
