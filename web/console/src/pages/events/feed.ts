import type { Schemas } from '@/api/client.ts'

export type Entry = Schemas['EventEntry']

export interface CloudEvent {
  id?: string
  type?: string
  subject?: string
  time?: string
  data?: { topic?: string }
  first?: number
}

/** eventOf returns what is known of an event, whatever it is. */
export function eventOf(entry: Entry): CloudEvent {
  return typeof entry.event === 'object' && entry.event !== null ? (entry.event as CloudEvent) : {}
}

/** streamPath is where entries of topics are followed; without topics all decisions. */
export function streamPath(topics: string): string {
  return '/api/v1/events/stream' + (topics ? `?topics=${encodeURIComponent(topics)}` : '')
}

/** entryOf reads what the stream sends: the event, under the number of its entry. */
export function entryOf(event: CloudEvent, id: string): Entry {
  return {
    seq: Number(id),
    ...(event.data?.topic ? { topic: event.data.topic } : {}),
    ...(event.time ? { at: event.time } : {}),
    event: event as Record<string, never>,
  }
}
