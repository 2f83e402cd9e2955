/** RunFilter is which runs are shown. */
export interface RunFilter {
  readonly saga?: string
  readonly key?: string
  readonly status?: string
  readonly application?: string
  readonly from?: string
  readonly to?: string
  readonly stuck?: boolean
  readonly live?: boolean
  readonly late?: boolean
}

export const statuses = ['Active', 'Committing', 'RollingBack', 'Committed', 'RolledBack'] as const

const texts = ['saga', 'key', 'status', 'application', 'from', 'to'] as const
const flags = ['stuck', 'live', 'late'] as const

/** filterOf reads a filter from the address. What means nothing there is left out. */
export function filterOf(search: URLSearchParams): RunFilter {
  const out: Record<string, string | boolean> = {}
  for (const name of texts) {
    const value = search.get(name)
    if (value && (name !== 'status' || (statuses as readonly string[]).includes(value))) out[name] = value
  }
  for (const name of flags) if (search.get(name) === 'true') out[name] = true
  return out
}

/** paramsOf writes a filter as the address has it, which is as the API takes it. A key without a saga is left out. */
export function paramsOf(filter: RunFilter): URLSearchParams {
  const out = new URLSearchParams()
  for (const name of texts) {
    const value = filter[name]
    if (value && (name !== 'key' || filter.saga)) out.set(name, value)
  }
  for (const name of flags) if (filter[name]) out.set(name, 'true')
  return out
}
