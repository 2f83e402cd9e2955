import { describe, expect, it } from 'vitest'
import { bars, drawn, rowText, shorten } from './graph.ts'

const row = (pk: string) => ({ resource: 'db', table: 'stock', pk })

describe('the wait graph', () => {
  const { boxes, arrows } = drawn({
    nodes: [{ xid: 'a:1:1', application: 'shop', status: 'Active' }],
    edges: [
      { waiter: 'a:1:1', holder: 'a:1:2', row: row('7'), inCycle: true },
      { waiter: 'a:1:2', holder: 'a:1:1', row: row('8'), inCycle: true },
      { waiter: 'a:1:3', holder: 'a:1:2', row: row('7') },
    ],
  })

  it('has each transaction and each row once', () => {
    expect(boxes.map((box) => `${box.kind} ${box.title}`).sort()).toEqual([
      'row stock 7',
      'row stock 8',
      'transaction 1',
      'transaction 2',
      'transaction 3',
    ])
    expect(boxes.find((box) => box.xid === 'a:1:1')!.text).toBe('shop · Active')
  })

  it('leads from who waits over the row to who holds it, each way once', () => {
    expect(arrows.map((arrow) => `${arrow.from}>${arrow.to}`)).toEqual([
      't a:1:1>r db stock 7',
      'r db stock 7>t a:1:2',
      't a:1:2>r db stock 8',
      'r db stock 8>t a:1:1',
      't a:1:3>r db stock 7',
    ])
  })

  it('marks what is in a cycle, and nothing else', () => {
    expect(boxes.filter((box) => !box.inCycle).map((box) => box.title)).toEqual(['3'])
    expect(arrows.filter((arrow) => !arrow.inCycle)).toHaveLength(1)
  })
})

it('shortens in the middle', () => {
  expect(shorten('abcdefghij', 5)).toBe('ab…ij')
  expect(shorten('abc', 5)).toBe('abc')
  expect(rowText({ resource: 'db' })).toBe('db')
})

it('draws bars against the highest', () => {
  expect(bars([0, 1, 2], 4)).toEqual([0, 0.25, 0.5])
  expect(bars([0], 0)).toEqual([0])
  expect(bars(undefined, 3)).toEqual([])
})
