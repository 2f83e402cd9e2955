import { beforeEach, describe, expect, it, vi } from 'vitest'
import { forget, loading, unloadedAt } from './unloaded.ts'

describe('code that cannot be fetched', () => {
  beforeEach(forget)

  it('is told from code that throws', async () => {
    const error = new TypeError('x')
    await expect(loading(() => Promise.reject(error))).rejects.toBe(error)
    expect(unloadedAt(error)).toBeGreaterThan(0)
    expect(unloadedAt(new TypeError('x is undefined'))).toBeUndefined()
    expect(unloadedAt('x')).toBeUndefined()
    const own = 'Failed to fetch dynamically imported module: /assets/page-locks.js'
    expect(unloadedAt(new TypeError(own))).toBeGreaterThan(0)
  })

  it('keeps the time at which it was first seen', () => {
    vi.useFakeTimers({ now: 1000 })
    const error = new Error('Unable to preload CSS for /assets/page-locks.css')
    expect(unloadedAt(error)).toBe(1000)
    vi.setSystemTime(5000)
    expect(unloadedAt(error)).toBe(1000)
    vi.useRealTimers()
  })

  it('lets nothing more into the document, until that is loaded anew', async () => {
    expect(await loading(() => Promise.resolve(1))).toBe(1)
    const error = new TypeError('x')
    await expect(loading(() => Promise.reject(error))).rejects.toBe(error)
    const next = vi.fn(() => Promise.resolve(2))
    await expect(loading(next)).rejects.toBe(error)
    expect(next).not.toHaveBeenCalled()
  })
})
