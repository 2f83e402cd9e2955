import { expect, it } from 'vitest'
import { distinct, sizeOf, timeOf } from './ticks.ts'

it('has each label of an axis once', () => {
  expect(distinct(['0 ms', '20 ms', '40 ms'])).toEqual(['0 ms', '20 ms', '40 ms'])
  expect(distinct(['0 ms', '0 ms', '0 ms', '1 ms', '1 ms'])).toEqual(['0 ms', '', '', '', ''])
  expect(distinct([])).toEqual([])
})

it('is as wide as its longest label', () => {
  const widthOf = (label: string) => 6.5 * label.length
  expect(sizeOf(['0 ms', '20 ms'], widthOf)).toBe(52)
  expect(sizeOf(['0 ms', '16 min 40 s', '3 min'], widthOf)).toBe(72 + 16)
  expect(sizeOf(null, widthOf)).toBe(52)
})

it('has times without their zone', () => {
  expect(['21:41:20 CET', 'GMT+1 21:41:20', 'GMT-3:30 01:02:03'].map(timeOf)).toEqual([
    '21:41:20',
    '21:41:20',
    '01:02:03',
  ])
})
