import { expect, it } from 'vitest'
import { matching } from './Config.tsx'

const entries = [
  { key: 'store.retention', value: '24h', default: true, doc: 'How long ended ones are kept.' },
  { key: 'tc', value: ':8091', default: false, doc: 'Where Seata clients connect.' },
]

it('finds settings by any of their words, and those that were changed', () => {
  expect(matching(entries, '', false)).toHaveLength(2)
  expect(matching(entries, 'SEATA 8091', false).map((e) => e.key)).toEqual(['tc'])
  expect(matching(entries, '', true).map((e) => e.key)).toEqual(['tc'])
  expect(matching(entries, 'nothing', false)).toEqual([])
})
