import { useEffect, useRef, useState } from 'react'
import { openStream, type Liveness } from './stream.ts'

/** kept bounds what is followed: older ones are in the log. */
export const kept = 500

/** pushed puts new rows, which came oldest first, before old ones and forgets the oldest. */
export function pushed<Row>(rows: readonly Row[], more: readonly Row[]): readonly Row[] {
  return [...more.toReversed(), ...rows].slice(0, kept)
}

/** resumed is the path of a stream of rows from behind the row that has the id: a number in a log, or a place of which
 * the server alone knows what it means. */
export function resumed(path: string, id: string): string {
  const from = /^\d+$/.test(id) ? String(BigInt(id) + 1n) : id
  return `${path}${path.includes('?') ? '&' : '?'}from=${encodeURIComponent(from)}`
}

/** useFeed follows a stream while path is not empty. What comes while it is paused waits, as far as it is kept; what
 * comes is shown a few times a second, however much it is. A gap is what the server says of rows that are gone. */
export function useFeed<Told, Row>(path: string, paused: boolean, read: (told: Told, id: string) => Row) {
  const [rows, setRows] = useState<readonly Row[]>([])
  const [waiting, setWaiting] = useState(0)
  const [state, setState] = useState<Liveness>('connecting')
  const [gap, setGap] = useState<Told>()
  const buffer = useRef<Row[]>([])
  const latest = useRef({ paused, read })
  latest.current = { paused, read }
  useEffect(() => {
    if (!path) return
    const close = openStream<Told>(path, {
      events: ['gap'],
      onLiveness: setState,
      // What came while the stream was lost is not left out.
      resume: resumed,
      onMessage: (told, name, id) => {
        if (name === 'gap') setGap(told)
        else buffer.current.push(latest.current.read(told, id))
      },
    })
    const flush = setInterval(() => {
      if (buffer.current.length > kept) buffer.current.splice(0, buffer.current.length - kept)
      setWaiting(latest.current.paused ? buffer.current.length : 0)
      if (latest.current.paused || buffer.current.length === 0) return
      const more = buffer.current
      buffer.current = []
      setRows((was) => pushed(was, more))
    }, 250)
    return () => {
      close()
      clearInterval(flush)
      buffer.current = []
      setRows([])
      setGap(undefined)
    }
  }, [path])
  return { rows, waiting, state, gap }
}
