import { useEffect, useRef, useState } from 'react'
import { Refused } from '@/api/client.ts'
import { useLive } from '@/app/live.tsx'

const pauses = [2000, 4000, 8000, 15_000, 30_000]

/** passing says whether what has failed may succeed later without anybody doing anything. */
export function passing(error: unknown): boolean {
  return error instanceof Refused && (error.retryable || error.status >= 500 || error.status === 429)
}

/** Again has something tried again by itself: with growing pauses, or at once when there is a reason to. */
export class Again {
  /** What is to be done; the newest one counts. */
  act: () => void
  private failures = 0
  private timer: ReturnType<typeof setTimeout> | undefined

  constructor(act: () => void) {
    this.act = act
  }

  /** failed has it tried again after a pause. */
  failed(): void {
    clearTimeout(this.timer)
    const pause = pauses[Math.min(this.failures++, pauses.length - 1)]
    this.timer = setTimeout(() => this.now(), pause)
  }

  /** now tries it at once, if it is to be tried again at all. */
  now(): void {
    if (this.timer === undefined) return
    this.stop()
    this.act()
  }

  /** done says that nothing is to be tried again; the next pause is short. */
  done(): void {
    this.stop()
    this.failures = 0
  }

  /** stop forgets what was to come, not how often it has failed. */
  stop(): void {
    clearTimeout(this.timer)
    this.timer = undefined
  }
}

/** useAgain tries again what has failed because the server was away: with pauses, and at once when the numbers come
 * again, when the browser is back on its network, or when somebody looks at the page. */
export function useAgain({ error, busy, act }: { error: unknown; busy: boolean; act: () => void }): void {
  const { state } = useLive()
  const [again] = useState(() => new Again(act))
  again.act = act
  const live = useRef(state)
  useEffect(() => {
    if (busy) again.stop()
    else if (passing(error)) again.failed()
    else again.done()
  }, [again, error, busy])
  useEffect(() => {
    if (state === 'live' && live.current !== 'live') again.now()
    live.current = state
  }, [again, state])
  useEffect(() => {
    const now = () => document.visibilityState !== 'hidden' && again.now()
    addEventListener('focus', now)
    addEventListener('online', now)
    document.addEventListener('visibilitychange', now)
    return () => {
      removeEventListener('focus', now)
      removeEventListener('online', now)
      document.removeEventListener('visibilitychange', now)
      again.stop()
    }
  }, [again])
}
