import { expect, it } from 'vitest'
import { nowhere, whereabouts } from './cursor.ts'

const own = (row: string) => row

it('stays on its row while others come and go', () => {
  const held = { id: 'b', index: 1 }
  expect(whereabouts(['a', 'b', 'c'], own, held)).toBe(1)
  expect(whereabouts(['new', 'a', 'b', 'c'], own, held)).toBe(2)
  expect(whereabouts(['b', 'c'], own, held)).toBe(0)
})

it('is on none when its row has gone, or nobody has moved it', () => {
  expect(whereabouts(['a', 'c'], own, { id: 'b', index: 1 })).toBe(-1)
  expect(whereabouts(['a'], own, nowhere)).toBe(-1)
})
