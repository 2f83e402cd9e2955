import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { openStream } from './stream.ts'

class Source {
  static readonly all: Source[] = []
  closed = false
  onopen?: () => void
  onmessage?: (event: MessageEvent<string>) => void
  onerror?: () => void

  constructor(readonly path: string) {
    Source.all.push(this)
  }

  addEventListener(): void {}

  close(): void {
    this.closed = true
  }

  say(data: string, lastEventId = ''): void {
    this.onmessage?.(new MessageEvent('message', { data, lastEventId }))
  }
}

beforeEach(() => {
  vi.useFakeTimers()
  vi.stubGlobal('EventSource', Source)
  Source.all.length = 0
})
afterEach(() => {
  vi.unstubAllGlobals()
  vi.useRealTimers()
})

it('opens a stream again that has opened and says nothing, or has fallen silent', () => {
  const states: string[] = []
  const close = openStream('/s', {
    quietMs: 5000,
    onMessage: () => {},
    onLiveness: (state) => states.push(state),
  })
  Source.all[0]!.onopen?.()
  vi.advanceTimersByTime(5000)
  expect(states).toEqual(['connecting', 'live', 'stale'])
  expect(Source.all[0]!.closed).toBe(true)
  vi.advanceTimersByTime(1000)
  Source.all[1]!.say('{}')
  vi.advanceTimersByTime(4999)
  expect(states.at(-1)).toBe('live')
  vi.advanceTimersByTime(1)
  expect(states.at(-1)).toBe('stale')
  close()
  vi.advanceTimersByTime(60_000)
  expect(Source.all).toHaveLength(2)
  expect(Source.all.every((source) => source.closed)).toBe(true)
})

it('opens a stream once for each loss', () => {
  const close = openStream('/s', { onMessage: () => {} })
  Source.all[0]!.onerror?.()
  vi.advanceTimersByTime(1000)
  expect(Source.all).toHaveLength(2)
  Source.all[1]!.onerror?.()
  vi.advanceTimersByTime(1999)
  expect(Source.all).toHaveLength(2)
  vi.advanceTimersByTime(1)
  expect(Source.all).toHaveLength(3)
  close()
})

it('goes on behind the last id that it has heard', () => {
  const close = openStream('/s', { onMessage: () => {}, resume: (path, id) => `${path}?from=${id}` })
  Source.all[0]!.say('{}', '7')
  Source.all[0]!.say('{}')
  Source.all[0]!.onerror?.()
  vi.advanceTimersByTime(1000)
  Source.all[1]!.onerror?.()
  vi.advanceTimersByTime(2000)
  expect(Source.all.map((source) => source.path)).toEqual(['/s', '/s?from=7', '/s?from=7'])
  close()
})
