import { describe, expect, it } from 'vitest'
import { boundsOf, rowsOf, visibleItems, type Item, type Lane } from './model.ts'
import { stateInto, stateOf } from './state.ts'
import { gapScale, linearScale, panned, shownWith, ticksOf, viewOf, viewText, whole, zoomed } from './scale.ts'

const span = (id: string, from: number, to: number, outcome: 'done' | 'failed' = 'done'): Item => ({
  type: 'span',
  id,
  kind: 'attempt',
  from,
  to,
  outcome,
  title: id,
  startKnown: true,
})
const point = (id: string, at: number): Item => ({ type: 'point', id, kind: 'mark', at, title: id })
const lane = (id: string, group: string, failed: boolean, ...items: Item[]): Lane => ({
  id,
  group,
  title: id,
  failed,
  items,
})

describe('rows', () => {
  const lanes = [
    lane('tm', 'all', false, point('b', 0)),
    lane('b1', 'branches', true, span('x', 5, 9, 'failed')),
    lane('b2', 'branches', false, span('y', 2, 3)),
  ]
  const names = { branches: 'Branches' }

  it('are lanes', () => {
    const rows = rowsOf(lanes, { failedOnly: false, folded: new Set() }, names)
    expect(rows.map((row) => row.id)).toEqual(['tm', 'b1', 'b2'])
  })

  it('fold into one, in the order of time', () => {
    const rows = rowsOf(lanes, { failedOnly: false, folded: new Set(['branches']) }, names)
    expect(rows.map((row) => [row.title, row.folds, row.failed])).toEqual([
      ['tm', 0, false],
      ['Branches', 2, true],
    ])
    expect(rows[1]!.items.map((item) => item.id)).toEqual(['y', 'x'])
  })

  it('are those that failed', () => {
    const rows = rowsOf(lanes, { failedOnly: true, folded: new Set() }, names)
    expect(rows.map((row) => row.id)).toEqual(['b1'])
  })

  it('reach from the first to the last moment', () => {
    expect(boundsOf(lanes)).toEqual({ first: 0, last: 9 })
    expect(boundsOf([])).toEqual({ first: 0, last: 1 })
  })
})

describe('what is drawn', () => {
  it('is what is in sight', () => {
    const items = [span('a', 0, 1), span('b', 4, 8), span('c', 20, 30)]
    expect(visibleItems(items, 5, 10, 0).map((item) => item.id)).toEqual(['b'])
  })

  it('leaves out what cannot be told apart, but never a failure', () => {
    const items = [
      span('a', 0, 1),
      span('b', 2, 3),
      span('bad', 4, 5, 'failed'),
      span('c', 6, 7),
      span('far', 90, 91),
    ]
    expect(visibleItems(items, 0, 100, 10).map((item) => item.id)).toEqual(['bad', 'far'])
  })

  it('keeps points beside spans', () => {
    expect(visibleItems([span('a', 0, 1), point('p', 1)], 0, 10, 5)).toHaveLength(2)
  })

  it('is bounded however many there are', () => {
    const items = Array.from({ length: 5000 }, (_, i) => span(String(i), i, i + 1))
    expect(visibleItems(items, 0, 5000, 10).length).toBeLessThan(600)
  })
})

describe('scales', () => {
  it('are true to time', () => {
    const scale = linearScale(1000, 2000)
    expect(scale.toU(1250)).toBe(0.25)
    expect(scale.toTime(0.5)).toBe(1500)
  })

  it('survive a transaction without any length', () => {
    expect(linearScale(5, 5).toU(5)).toBe(0)
    expect(gapScale([], 5, 5).toU(5)).toBe(0)
  })

  it('draw gaps by their magnitude', () => {
    const scale = gapScale([10, 20, 3_600_000], 0, 3_600_020)
    expect(scale.toU(0)).toBe(0)
    expect(scale.toU(3_600_020)).toBeCloseTo(1)
    expect(scale.toU(20)).toBeGreaterThan(0.15)
    for (const at of [0, 7, 10, 15, 20, 1_000_000, 3_600_000, 3_600_010]) {
      expect(scale.toTime(scale.toU(at))).toBeCloseTo(at, 3)
    }
  })

  it('keep the order of time', () => {
    const scale = gapScale([3, 9, 700], 0, 1000)
    let last = -1
    for (let at = 0; at <= 1000; at += 13) {
      expect(scale.toU(at)).toBeGreaterThan(last)
      last = scale.toU(at)
    }
  })
})

describe('views', () => {
  it('zoom around a place', () => {
    const view = zoomed({ from: 0, to: 1 }, 0.5, 0.25)
    expect(view).toEqual({ from: 0.125, to: 0.625 })
    expect(zoomed(view, 100, 0.3)).toEqual(whole)
  })

  it('pan, and stop at the ends', () => {
    expect(panned({ from: 0.2, to: 0.4 }, 0.5)).toEqual({ from: expect.closeTo(0.3), to: expect.closeTo(0.5) })
    expect(panned({ from: 0.9, to: 1 }, 100).to).toBeCloseTo(whole.to)
  })

  it('show a place that is out of sight', () => {
    const view = shownWith({ from: 0, to: 0.1 }, 0.5, 0.51)
    expect(view.from).toBeLessThanOrEqual(0.5)
    expect(view.to).toBeGreaterThanOrEqual(0.51)
    expect(shownWith(view, 0.5, 0.51)).toBe(view)
  })

  it('are kept in an address', () => {
    const view = { from: 0.125, to: 0.625 }
    expect(viewOf(viewText(view)!)).toEqual(view)
    expect(viewText(whole)).toBeUndefined()
    for (const text of [null, '', 'x', '3~1', '0.5']) expect(viewOf(text)).toEqual(whole)
  })
})

describe('ticks', () => {
  it('are round and not too many', () => {
    const ticks = ticksOf(linearScale(1_000_000, 1_010_000), whole, 8, [])
    expect(ticks.length).toBeLessThanOrEqual(9)
    expect(ticks.map((at) => at - 1_000_000)).toEqual([0, 2000, 4000, 6000, 8000, 10_000])
  })

  it('stand where something happens if gaps are short', () => {
    const moments = [0, 1, 2, 3_600_000]
    const scale = gapScale(moments, 0, 3_600_000)
    for (const at of ticksOf(scale, whole, 8, moments)) expect(moments).toContain(at)
  })
})

describe('what is chosen', () => {
  it('is kept in the address beside what is there already', () => {
    const chosen = {
      view: { from: 0.25, to: 0.5 },
      failedOnly: true,
      shortGaps: false,
      folded: new Set(['branches']),
      chosen: 'b:1:2',
    }
    const params = stateInto(new URLSearchParams('tab=locks'), chosen)
    expect(params.get('tab')).toBe('locks')
    expect(stateOf(params)).toEqual(chosen)
  })

  it('leaves the address alone at first', () => {
    expect(stateInto(new URLSearchParams(), stateOf(new URLSearchParams())).toString()).toBe('')
  })
})
