/** Target is what a text in the palette may mean besides a page: an address to go to. */
export interface Target {
  readonly kind: 'transaction' | 'run' | 'search'
  readonly value: string
  readonly to: string
}

const xid = /^(?:[\w.\-[\]:]*:)?(\d{4,19})$/

/** targetsOf returns where a text may lead: an xid to the transaction and the run, all else to a search. */
export function targetsOf(text: string): Target[] {
  const wanted = text.trim()
  if (!wanted) return []
  const id = xid.exec(wanted)?.[1]
  if (id) {
    return [
      { kind: 'transaction', value: id, to: `/transactions/${id}` },
      { kind: 'run', value: id, to: `/runs/${id}` },
    ]
  }
  return [{ kind: 'search', value: wanted, to: `/transactions?q=${encodeURIComponent(wanted)}` }]
}
