import { describe, expect, it } from 'vitest'
import { newsOf, renewed, tookMs, type Row } from './live.ts'

const row = (id: number, more: Partial<Row> = {}): Row => ({
  id: String(id),
  beganAt: new Date(1_700_000_000_000 + id * 1000).toISOString(),
  status: 'Active',
  ...more,
})
const rows = (...ids: number[]) => ids.map((id) => row(id))

describe('news of a list', () => {
  it('counts what has come above the newest row', () => {
    expect(newsOf(rows(5, 4, 3), rows(7, 6, 5, 4, 3), false)).toEqual({ fresh: 2, gone: new Set() })
    expect(newsOf([], rows(2, 1), false).fresh).toBe(2)
  })

  it('does not take for new what is only not loaded yet', () => {
    expect(newsOf(rows(5, 4), rows(5, 4, 3, 2), true).fresh).toBe(0)
  })

  it('says which rows are not searched for any more, as far as the head reaches', () => {
    expect([...newsOf(rows(5, 4, 3, 2, 1), rows(5, 3), true).gone]).toEqual(['4'])
    expect([...newsOf(rows(5, 4, 3), [], false).gone]).toEqual(['5', '4', '3'])
  })
})

describe('rows', () => {
  it('are renewed in their places', () => {
    const got = renewed(rows(3, 2, 1), [row(4), row(2, { status: 'Committed' })])
    expect(got.map((x) => `${x.id} ${x.status}`)).toEqual(['3 Active', '2 Committed', '1 Active'])
  })

  it('know how long they take', () => {
    expect(tookMs(row(0), 1_700_000_005_000)).toBe(5000)
    expect(tookMs(row(0, { endedAt: new Date(1_700_000_002_000).toISOString() }), 1_800_000_000_000)).toBe(2000)
  })
})
