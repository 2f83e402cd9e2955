import { change, parse } from './search.ts'

/** Range is when transactions began, as the picker has it. */
export interface Range {
  readonly younger?: string
  readonly from?: string
  readonly to?: string
}

export function rangeOf(text: string): Range {
  const { younger, from, to } = parse(text).filter
  return { ...(younger && { younger }), ...(from && { from }), ...(to && { to }) }
}

/** withRange returns the text with this range in the place of the one that there was. */
export function withRange(text: string, range: Range): string {
  let next = change(change(change(text, 'younger', range.younger), 'from', range.from), 'to', range.to)
  if (range.to) next = change(next, 'older', undefined)
  return next
}

const two = (n: number) => String(n).padStart(2, '0')

/** fieldOf writes a time for an input of the type datetime-local. */
export function fieldOf(time: string | undefined, utc: boolean): string {
  if (!time) return ''
  const at = new Date(time)
  if (Number.isNaN(at.getTime())) return ''
  if (utc) return at.toISOString().slice(0, 19)
  const date = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`
  return `${date}T${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`
}

/** timeOf reads what such an input has. */
export function timeOf(field: string, utc: boolean): string | undefined {
  if (!field) return undefined
  const at = new Date(utc ? `${field}Z` : field)
  return Number.isNaN(at.getTime()) ? undefined : at.toISOString().replace('.000Z', 'Z')
}
