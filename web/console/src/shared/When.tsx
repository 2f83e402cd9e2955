import { Tooltip } from '@mantine/core'
import { useSyncExternalStore } from 'react'
import { useLanguage } from '@/i18n'
import { absolute, relative, useZone } from '@/i18n/format.ts'

// One clock for all ages on the page: it ticks once a second while somebody looks.
let now = Date.now()
const listeners = new Set<() => void>()
let timer: ReturnType<typeof setInterval> | undefined

function subscribe(tell: () => void): () => void {
  listeners.add(tell)
  if (!timer) now = Date.now()
  timer ??= setInterval(() => {
    now = Date.now()
    listeners.forEach((each) => each())
  }, 1000)
  return () => {
    listeners.delete(tell)
    if (listeners.size === 0) {
      clearInterval(timer)
      timer = undefined
    }
  }
}

/** useNow returns the time, which moves on every second. */
export function useNow(): number {
  return useSyncExternalStore(subscribe, () => now)
}

/** When shows how long ago a time is; pointing at it or focusing it shows the time itself with its zone. With `both`
 * the two stand beside one another. `plain` is for cells of long tables: it costs little, and shows the time when it is
 * pointed at. */
export function When({
  at,
  both,
  plain,
}: {
  at?: string | number | undefined
  both?: boolean
  plain?: boolean
}) {
  useLanguage()
  useZone()
  const time = useNow()
  if (at === undefined || at === '') return <span className="dim">–</span>
  const whole = absolute(at)
  if (both) {
    return (
      <time dateTime={new Date(at).toISOString()} className="num">
        {whole} <span className="dim">({relative(at, time)})</span>
      </time>
    )
  }
  if (plain) {
    return (
      <time dateTime={new Date(at).toISOString()} className="num" title={whole}>
        {relative(at, time)}
      </time>
    )
  }
  return (
    <Tooltip label={whole} events={{ hover: true, focus: true, touch: true }}>
      <time dateTime={new Date(at).toISOString()} className="num">
        {relative(at, time)}
      </time>
    </Tooltip>
  )
}
