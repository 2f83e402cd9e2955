import { useEffect, useRef, useState } from 'react'
import type { Schemas } from '@/api/client.ts'
import { openStream, type Liveness } from '@/api/stream.ts'

export type Decision = Schemas['Decision']

interface CloudEvent {
  subject?: string
  time?: string
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

/** kept bounds what is followed: older ones are in the log. */
export const kept = 500

/** pushed puts new decisions before old ones and forgets the oldest. */
export function pushed(rows: readonly Decision[], more: readonly Decision[]): readonly Decision[] {
  return [...more.toReversed(), ...rows].slice(0, kept)
}

/** useFeed follows the decisions while it is on. What comes while it is paused waits. */
export function useFeed(on: boolean, paused: boolean) {
  const [rows, setRows] = useState<readonly Decision[]>([])
  const [waiting, setWaiting] = useState(0)
  const [state, setState] = useState<Liveness>('connecting')
  const [gap, setGap] = useState('')
  const buffer = useRef<Decision[]>([])
  const still = useRef(paused)
  still.current = paused
  useEffect(() => {
    if (!on) return
    const close = openStream<CloudEvent & { queue?: string }>('/api/v1/decisions/stream', {
      events: ['gap'],
      onLiveness: setState,
      onMessage: (event, name) => {
        if (name === 'gap') setGap(String(event.queue ?? ''))
        else buffer.current.push(decisionOf(event))
      },
    })
    // Shown a few times a second, however many come.
    const flush = setInterval(() => {
      if (buffer.current.length > kept) buffer.current.splice(0, buffer.current.length - kept)
      setWaiting(still.current ? buffer.current.length : 0)
      if (still.current || buffer.current.length === 0) return
      const more = buffer.current
      buffer.current = []
      setRows((was) => pushed(was, more))
    }, 250)
    return () => {
      close()
      clearInterval(flush)
      buffer.current = []
      setRows([])
    }
  }, [on])
  return { rows, waiting, state, gap }
}

/** placeOf returns where a decision is in the log, as people write it. */
export function placeOf(row: Decision): string {
  if (row.offset === undefined) return ''
  return [row.topic, row.broker, row.broker ? row.queue : undefined, row.offset]
    .filter((x) => x !== undefined)
    .join(' / ')
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
