import { describe, expect, it } from 'vitest'
import {
  bestDirection,
  endMark,
  layoutOf,
  neighbour,
  pathOf,
  startMark,
  type Layout,
  type Placed,
} from './layout.ts'
import type { GraphStep } from './model.ts'

function step(id: string, after: string[], more: Partial<GraphStep> = {}): GraphStep {
  return { id, kind: 'call', after, ...more }
}

const travel = [step('flight', []), step('hotel', []), step('car', []), step('pay', ['flight', 'hotel', 'car'])]
const sizeOf = () => ({ width: 200, height: 60 })
const at = (layout: Layout, path: string): Placed => layout.nodes.find((node) => node.path === path)!

function overlap(a: Placed, b: Placed): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height
}

describe('the layout', () => {
  it('puts what is parallel side by side and what follows below', () => {
    const layout = layoutOf(travel, { direction: 'down', sizeOf })
    expect(at(layout, 'flight').y).toBe(at(layout, 'car').y)
    expect(at(layout, 'flight').x).toBeLessThan(at(layout, 'hotel').x)
    expect(at(layout, 'hotel').x).toBeLessThan(at(layout, 'car').x)
    expect(at(layout, 'pay').y).toBeGreaterThan(at(layout, 'car').y + 60)
    expect(at(layout, startMark).y).toBeLessThan(at(layout, 'flight').y)
    expect(at(layout, endMark).y).toBeGreaterThan(at(layout, 'pay').y)
  })

  it('runs to the right if it shall', () => {
    const layout = layoutOf(travel, { direction: 'right', sizeOf })
    expect(at(layout, 'flight').x).toBe(at(layout, 'car').x)
    expect(at(layout, 'pay').x).toBeGreaterThan(at(layout, 'car').x + 200)
  })

  it('is the same always', () => {
    const options = { direction: 'down', sizeOf } as const
    expect(layoutOf(travel, options)).toEqual(layoutOf(travel, options))
  })

  it('overlaps nothing, with sub-sagas unfolded into frames', () => {
    const steps = [
      step('a', []),
      step('trip', ['a'], { kind: 'subSaga', target: 'travel' }),
      step('b', ['trip']),
    ]
    const layout = layoutOf(steps, { direction: 'down', sizeOf, open: { trip: travel } })
    const frame = at(layout, 'trip')
    expect(frame.kind).toBe('group')
    for (const id of ['flight', 'hotel', 'car', 'pay']) {
      const inner = at(layout, `trip/${id}`)
      expect(inner.x).toBeGreaterThanOrEqual(frame.x)
      expect(inner.x + inner.width).toBeLessThanOrEqual(frame.x + frame.width)
      expect(inner.y).toBeGreaterThan(frame.y)
      expect(inner.y + inner.height).toBeLessThanOrEqual(frame.y + frame.height)
    }
    const flat = layout.nodes.filter((node) => node.kind !== 'group')
    for (const one of flat) for (const other of flat) if (one !== other) expect(overlap(one, other)).toBe(false)
    expect(layout.edges.map((edge) => edge.from)).toContain('trip/flight')
  })

  it('leads edges from border to border', () => {
    const layout = layoutOf(travel, { direction: 'down', sizeOf })
    const edge = layout.edges.find((each) => each.from === 'flight')!
    const from = at(layout, 'flight')
    expect(edge.points[0]).toEqual({ x: from.x + 100, y: from.y + 60 })
    expect(edge.points.at(-1)!.y).toBe(at(layout, 'pay').y)
  })

  it('stands circles and nothing at all', () => {
    expect(layoutOf([], { direction: 'down', sizeOf }).nodes).toEqual([])
    const circle = layoutOf([step('a', ['b']), step('b', ['a'])], { direction: 'down', sizeOf })
    expect(circle.nodes.length).toBeGreaterThan(1)
  })
})

describe('arrow keys', () => {
  const { nodes } = layoutOf(travel, { direction: 'down', sizeOf })

  it('go to the nearest step in their direction, never to a mark', () => {
    const row = ['flight', 'hotel', 'car'].sort(
      (a, b) => at({ nodes } as Layout, a).x - at({ nodes } as Layout, b).x,
    )
    expect(neighbour(nodes, row[0]!, 'ArrowRight')).toBe(row[1])
    expect(neighbour(nodes, row[2]!, 'ArrowLeft')).toBe(row[1])
    expect(neighbour(nodes, row[1]!, 'ArrowDown')).toBe('pay')
    expect(neighbour(nodes, 'pay', 'ArrowDown')).toBeUndefined()
    expect(neighbour(nodes, row[0]!, 'ArrowUp')).toBeUndefined()
    expect(neighbour(nodes, 'gone', 'ArrowUp')).toBeUndefined()
  })
})

it('draws a line through all points', () => {
  expect(pathOf([], 'down')).toBe('')
  expect(
    pathOf(
      [
        { x: 0, y: 0 },
        { x: 10, y: 20 },
      ],
      'down',
    ),
  ).toBe('M0 0C0 10 10 10 10 20')
  expect(
    pathOf(
      [
        { x: 0, y: 0 },
        { x: 20, y: 10 },
      ],
      'right',
    ),
  ).toBe('M0 0C10 0 10 10 20 10')
})

it('turns what is too long to be read', () => {
  const room = { width: 1100, height: 560 }
  expect(bestDirection({ width: 300, height: 500 }, { width: 900, height: 100 }, room)).toBe('down')
  expect(bestDirection({ width: 380, height: 1200 }, { width: 1700, height: 300 }, room)).toBe('right')
})
