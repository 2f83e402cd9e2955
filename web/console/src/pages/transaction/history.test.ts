import { expect, it } from 'vitest'
import { matching } from './history.ts'

const entries = [
  { event: 'began' },
  { event: 'attemptFailed', branch: '7', text: 'status 500: Down' },
  { event: 'finished', branch: '7' },
]

it.each([
  ['', [1, 2, 3]],
  ['7', [2, 3]],
  ['FAILED down', [2]],
  ['failed 8', []],
  ['  began ', [1]],
] as const)('"%s" finds %j', (text, found) =>
  expect(matching(entries, text).map((row) => row.n)).toEqual(found),
)
