import { describe, expect, it } from 'vitest'
import { columns, joined, pointOf, type Point } from './pulse.ts'

const point = (at: number, committed = 1): Point => ({
  ...pointOf({ at: new Date(at * 1000).toISOString() }),
  committed,
})

describe('points of the pulse', () => {
  it('reads what is told, and leaves latencies out when nothing has ended', () => {
    const told = {
      at: '2026-01-01T00:00:01.400Z',
      committed: 3,
      latency: { ended: 0, p99Ms: 7 },
      lockWaiters: 2,
    }
    expect(pointOf(told)).toMatchObject({ at: 1767225601, committed: 3, p99: null, waiters: 2, failures: 0 })
    expect(pointOf({ ...told, latency: { ended: 1, p50Ms: 2, p95Ms: 3, p99Ms: 7 } })).toMatchObject({
      p50: 2,
      p99: 7,
    })
  })

  it('joins without doubles and keeps the newest', () => {
    const all = joined([point(1), point(2)], [point(2), point(3)], 2)
    expect(all.map((p) => p.at)).toEqual([2, 3])
    const same = joined(all, [point(3)], 2)
    expect(same).toBe(all)
  })

  it('draws what is in the window, with gaps', () => {
    const [at, committed] = columns([point(1), point(10, 4), point(20, 5), point(21, 6)], 10, ['committed'])
    expect(at).toEqual([10, 11, 20, 21])
    expect(committed).toEqual([4, null, 5, 6])
  })
})
