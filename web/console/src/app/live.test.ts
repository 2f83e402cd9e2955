import { afterEach, expect, it, vi } from 'vitest'
import { turned } from './live.tsx'

afterEach(() => vi.useRealTimers())

it('knows when the stream spoke again, not when it first did', () => {
  vi.useFakeTimers({ now: 5000 })
  expect(turned({ state: 'connecting' }, 'live')).toEqual({ state: 'live' })
  expect(turned({ state: 'live', heard: 4000 }, 'stale')).toEqual({ state: 'stale', heard: 4000 })
  const again = turned({ state: 'stale', heard: 4000 }, 'live')
  expect(again).toEqual({ state: 'live', heard: 4000, again: 5000 })
  expect(turned(again, 'stale').again).toBe(5000)
})
