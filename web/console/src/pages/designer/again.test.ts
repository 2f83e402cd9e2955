import { act, renderHook } from '@testing-library/react'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Refused, unreachable } from '@/api/client.ts'
import type { Live } from '@/app/live.tsx'
import { passing, useAgain } from './again.ts'
import { Desk } from './desk.ts'
import { useSaving } from './saving.ts'

const live = vi.hoisted(() => ({ now: { state: 'live' } as Live }))
vi.mock('@/app/live.tsx', () => ({ useLive: () => live.now }))

// The addresses of the API have no host; browsers know which one is meant.
vi.hoisted(() => {
  const { Request } = globalThis
  globalThis.Request = class extends Request {
    constructor(input: RequestInfo | URL, init?: RequestInit) {
      super(typeof input === 'string' ? new URL(input, 'http://localhost') : input, init)
    }
  }
})

beforeEach(() => {
  vi.useFakeTimers()
  live.now = { state: 'live' }
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

const away = () => unreachable(new TypeError('Failed to fetch'))

describe('what has failed', () => {
  const watch = (act: () => void) =>
    renderHook((props: { error: unknown; busy: boolean }) => useAgain({ ...props, act }), {
      initialProps: { error: undefined as unknown, busy: false },
    })

  it('is tried again with growing pauses, and with a short one after a success', () => {
    const tried = vi.fn()
    const hook = watch(tried)
    const fail = (pause: number) => {
      hook.rerender({ error: away(), busy: false })
      tried.mockClear()
      vi.advanceTimersByTime(pause - 1)
      expect(tried).not.toHaveBeenCalled()
      vi.advanceTimersByTime(1)
      expect(tried).toHaveBeenCalledTimes(1)
      hook.rerender({ error: undefined, busy: true })
    }
    for (const pause of [2000, 4000, 8000, 15_000, 30_000, 30_000]) fail(pause)
    hook.rerender({ error: undefined, busy: false })
    fail(2000)
    hook.unmount()
  })

  it('is tried at once when the stream is live again, and when the tab gets the focus', () => {
    const tried = vi.fn()
    const hook = watch(tried)
    dispatchEvent(new Event('focus'))
    expect(tried).not.toHaveBeenCalled()
    live.now = { state: 'stale' }
    hook.rerender({ error: away(), busy: false })
    expect(tried).not.toHaveBeenCalled()
    const error = away()
    hook.rerender({ error, busy: false })
    live.now = { state: 'live' }
    hook.rerender({ error, busy: false })
    expect(tried).toHaveBeenCalledTimes(1)
    hook.rerender({ error: away(), busy: false })
    dispatchEvent(new Event('focus'))
    expect(tried).toHaveBeenCalledTimes(2)
    hook.unmount()
    vi.advanceTimersByTime(60_000)
    expect(tried).toHaveBeenCalledTimes(2)
  })

  it('for good is not tried again', () => {
    const refused = (status: number) => new Refused(status, { status, title: 'No.' })
    expect([0, 429, 500, 503].map((status) => passing(refused(status)))).toEqual([true, true, true, true])
    expect([400, 403, 413].map((status) => passing(refused(status)))).toEqual([false, false, false])
    expect(passing(new Error('x'))).toBe(false)
    const tried = vi.fn()
    const hook = watch(tried)
    hook.rerender({ error: refused(403), busy: false })
    vi.advanceTimersByTime(60_000)
    dispatchEvent(new Event('focus'))
    expect(tried).not.toHaveBeenCalled()
    hook.unmount()
  })
})

describe('a draft that could not be saved', () => {
  it('is saved by itself once the server is back', async () => {
    let up = false
    const sent: string[] = []
    vi.stubGlobal('fetch', async (request: Request) => {
      if (!up) throw new TypeError('Failed to fetch')
      sent.push(await request.text())
      const body = { name: 'x', etag: '"1-a"', at: '2026-01-01T00:00:00Z', by: 'ann' }
      return new Response(JSON.stringify(body), {
        status: 201,
        headers: { 'Content-Type': 'application/json' },
      })
    })
    const desk = new Desk('saga: 1\nname: x\n', false)
    const hook = renderHook(() => useSaving({ name: 'x', desk, draft: undefined, base: undefined, may: true }))
    await act(() => vi.advanceTimersByTimeAsync(1300))
    expect(hook.result.current.state.kind).toBe('failed')
    await act(() => vi.advanceTimersByTimeAsync(2100))
    expect(hook.result.current.state.kind).toBe('failed')
    up = true
    await act(() => vi.advanceTimersByTimeAsync(4100))
    expect(hook.result.current.state.kind).toBe('saved')
    expect(sent).toEqual([desk.text])
    hook.unmount()
  })
})
