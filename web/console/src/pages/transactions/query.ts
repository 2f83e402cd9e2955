import type { Schemas } from '@/api/client.ts'
import type { paths } from '@/api/schema.ts'
import { format, millisOf, parse, type Filter } from './search.ts'

type Params = NonNullable<paths['/api/v1/transactions']['get']['parameters']['query']>

/** paramsOf returns what the API is asked for a filter. Ages become times, because what goes on with a cursor has to
 * mean the same moment; now is that moment. */
export function paramsOf(filter: Filter, now: number): Params {
  const before = (age: string) => new Date(now - millisOf(age)!).toISOString()
  return clean({
    ...plain(filter),
    since: filter.from ?? (filter.younger && before(filter.younger)),
    until: filter.to ?? (filter.older && before(filter.older)),
  }) as Params
}

/** jobFilterOf returns the filter of a job; its ages are counted when the server plans. */
export function jobFilterOf(filter: Filter): Schemas['JobFilter'] {
  return clean({
    ...plain(filter),
    since: filter.from ?? goAge(filter.younger),
    until: filter.to ?? goAge(filter.older),
  }) as Schemas['JobFilter']
}

/** searchOf is the reverse of jobFilterOf: the text that searches for what a job is about. */
export function searchOf(job: Schemas['JobFilter']): string {
  const filter: Filter = {
    ...(job.status && { status: job.status }),
    ...(job.live && { live: true }),
    ...(job.stuck && { stuck: true }),
    ...(job.heuristic && { heuristic: true }),
    ...(job.application && { app: job.application }),
    ...(job.group && { group: job.group }),
    ...(job.name && { name: job.name }),
    ...(job.saga && { saga: job.saga }),
    ...(job.key && { key: job.key }),
    ...(job.kind && { kind: job.kind }),
    ...timeOf(job.since, 'from', 'younger'),
    ...timeOf(job.until, 'to', 'older'),
  }
  return format(filter)
}

function timeOf(text: string | undefined, time: 'from' | 'to', age: 'younger' | 'older'): Filter {
  if (!text) return {}
  return { [millisOf(text) === undefined ? time : age]: text }
}

/** goAge writes an age without days, which the server does not know. */
function goAge(age: string | undefined): string | undefined {
  return age === undefined ? undefined : `${Math.round(millisOf(age)! / 1000)}s`
}

/** exportAddress is where what matches is downloaded. */
export function exportAddress(filter: Filter, kind: 'csv' | 'ndjson', now: number): string {
  const query = new URLSearchParams({ format: kind })
  for (const [name, value] of Object.entries(paramsOf(filter, now))) query.set(name, String(value))
  return `/api/v1/transactions/export?${query}`
}

function plain(filter: Filter): Record<string, unknown> {
  return {
    status: filter.status,
    live: filter.live,
    stuck: filter.stuck,
    heuristic: filter.heuristic,
    application: filter.app,
    group: filter.group,
    name: filter.saga ? undefined : filter.name,
    saga: filter.saga,
    key: filter.key,
    kind: filter.kind,
  }
}

function clean(all: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined && value !== ''))
}

/** addressOf is where a search is shown. */
export function addressOf(text: string): string {
  return text ? `/transactions?q=${encodeURIComponent(text)}` : '/transactions'
}

/** emptyFilter says whether a text selects everything. */
export function emptyFilter(text: string): boolean {
  return Object.keys(parse(text).filter).length === 0
}
