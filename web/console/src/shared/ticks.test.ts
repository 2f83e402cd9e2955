import { expect, it } from 'vitest'
import { distinct } from './ticks.ts'

it('has each label of an axis once', () => {
  expect(distinct(['0 ms', '20 ms', '40 ms'])).toEqual(['0 ms', '20 ms', '40 ms'])
  expect(distinct(['0 ms', '0 ms', '0 ms', '1 ms', '1 ms'])).toEqual(['0 ms', '', '', '', ''])
  expect(distinct([])).toEqual([])
})
