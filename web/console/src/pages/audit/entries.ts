import type { Schemas } from '@/api/client.ts'
import type { Tone } from '@/shared/StatusBadge.tsx'

export type Entry = Schemas['JournalEntry']

export interface Change {
  readonly field: string
  readonly before: unknown
  readonly after: unknown
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {}
}

/** changesOf lists the fields that differ between before and after. */
export function changesOf(before: unknown, after: unknown): Change[] {
  const was = fieldsOf(before)
  const is = fieldsOf(after)
  const names = [...new Set([...Object.keys(was), ...Object.keys(is)])]
  return names
    .filter((name) => JSON.stringify(was[name]) !== JSON.stringify(is[name]))
    .map((field) => ({ field, before: was[field], after: is[field] }))
}

/** short is a value on one line. */
export function short(value: unknown): string {
  if (value === undefined || value === null || value === '') return ''
  return typeof value === 'string' ? value : JSON.stringify(value)
}

/** stageOf says in a word and a tone how far an entry tells that something came. */
export function stageOf(entry: Entry): { word: 'intent' | 'refused' | 'succeeded'; tone: Tone } {
  if (entry.phase === 'intent') return { word: 'intent', tone: 'idle' }
  return (entry.status ?? 200) >= 400 ? { word: 'refused', tone: 'bad' } : { word: 'succeeded', tone: 'good' }
}

/** placeOf is where in the console one sees what an entry is about; empty if nowhere. */
export function placeOf(entry: Entry): string {
  const target = entry.target ?? ''
  if (!target) return ''
  const kind = (entry.action ?? '').split('.')[0]
  const name = encodeURIComponent(target)
  const xid = encodeURIComponent(target.slice(target.lastIndexOf(':') + 1))
  switch (kind) {
    case 'transaction':
      return `/transactions/${xid}`
    case 'job':
      return `/jobs/${name}`
    case 'saga':
      return /^\d+$/.test(target.slice(target.lastIndexOf(':') + 1)) ? `/runs/${xid}` : `/sagas/${name}`
    case 'inbox':
      return `/inbox?open=${name}`
    case 'deadletter':
      return `/events?tab=letters&group=${encodeURIComponent(target.split('/')[0] ?? '')}`
    case 'key':
    case 'signin':
      return '/access'
    default:
      return ''
  }
}
