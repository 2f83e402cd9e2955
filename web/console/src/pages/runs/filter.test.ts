import { expect, it } from 'vitest'
import { filterOf, paramsOf } from './filter.ts'

const texts = [
  'saga=order&key=o-1&status=Active',
  'stuck=true',
  'saga=a&from=15m&live=true',
  'live=true&late=true',
  '',
]

it.each(texts)('%s comes back', (text) => {
  expect(paramsOf(filterOf(new URLSearchParams(text))).toString()).toBe(text)
})

it('leaves out what means nothing', () => {
  expect(filterOf(new URLSearchParams('status=Lost&stuck=maybe&x=1'))).toEqual({})
  expect(paramsOf({ key: 'o-1' }).toString()).toBe('')
})
