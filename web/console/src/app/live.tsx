import { createContext, useContext, useEffect, useState, type ReactNode } from 'react'
import type { Schemas } from '@/api/client.ts'
import { openStream, type Liveness } from '@/api/stream.ts'

export interface Live {
  readonly state: Liveness
  /** The newest numbers; absent before the first. */
  readonly numbers?: Schemas['Overview']
  /** When numbers came last. */
  readonly heard?: number
  /** When the stream spoke again after it had been lost; absent while it never was. */
  readonly again?: number
}

const LiveContext = createContext<Live>({ state: 'connecting' })

/** turned returns what is known once the stream is in another state. */
export function turned(was: Live, state: Liveness): Live {
  const again = was.state === 'stale' && state === 'live'
  return { ...was, state, ...(again ? { again: Date.now() } : {}) }
}

/** LiveProvider follows the numbers of the server once for all that is shown. */
export function LiveProvider({ enabled, children }: { enabled: boolean; children: ReactNode }) {
  const [live, setLive] = useState<Live>({ state: 'connecting' })
  useEffect(() => {
    if (!enabled) return
    return openStream<Schemas['Overview']>('/api/v1/stream', {
      events: ['overview', 'numbers'],
      quietMs: 5000,
      onMessage: (numbers) => setLive((was) => ({ ...was, numbers, heard: Date.now() })),
      onLiveness: (state) => setLive((was) => turned(was, state)),
    })
  }, [enabled])
  return <LiveContext value={live}>{children}</LiveContext>
}

/** useLive returns the numbers of the server, every second, and whether they still come. */
export function useLive(): Live {
  return useContext(LiveContext)
}
