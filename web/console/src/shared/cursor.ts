/** Held is the row that a cursor is on, and where it was when the cursor came. */
export interface Held {
  readonly id: string
  readonly index: number
}

/** nowhere is a cursor that nobody has moved yet. */
export const nowhere: Held = { id: '', index: 0 }

/** whereabouts is the index of the row that a cursor is on, which rows before it may have moved; -1 if it is gone. */
export function whereabouts<Row>(rows: readonly Row[], rowId: (row: Row) => string, held: Held): number {
  if (held === nowhere) return -1
  const same = rows[held.index]
  if (same !== undefined && rowId(same) === held.id) return held.index
  return rows.findIndex((row) => rowId(row) === held.id)
}
