import type { Schemas } from '@/api/client.ts'

export type Decision = Schemas['Decision']

export interface CloudEvent {
  subject?: string
  time?: string
  queue?: string
  data?: { xid?: string; outcome?: 'commit' | 'rollback' }
}

/** decisionOf reads what the stream of decisions sends. */
export function decisionOf(event: CloudEvent): Decision {
  return {
    xid: event.data?.xid ?? event.subject ?? '',
    ...(event.data?.outcome ? { outcome: event.data.outcome } : {}),
    ...(event.time ? { at: event.time } : {}),
    event: event as Record<string, never>,
  }
}

/** placeOf returns where a decision is in the log, as people write it. */
export function placeOf(row: Decision): string {
  if (row.offset === undefined) return ''
  return [row.topic, row.broker, row.broker ? row.queue : undefined, row.offset]
    .filter((x) => x !== undefined)
    .join(' / ')
}

/** placeText is a place as the server reads it: what placeOf shows may be pasted. On one machine the number counts. */
export function placeText(text: string): string {
  const parts = text.split('/').map((part) => part.trim())
  return (parts.length === 2 ? parts[1] : parts.join('/')) ?? ''
}

interface Data {
  application?: string
  name?: string
  cause?: string
  branches?: unknown[]
}

/** dataOf returns what the event says of its transaction. */
export function dataOf(row: Decision): Data {
  return ((row.event as { data?: Data } | undefined)?.data ?? {}) as Data
}
