import { expect, it } from 'vitest'
import { countRuns, countText } from './counts.ts'

it('counts runs by saga and version, and says if there are more', () => {
  const runs = [
    { saga: 'a', version: 1 },
    { saga: 'a', version: 2 },
    { saga: 'b', version: 1 },
  ]
  const counts = countRuns(runs, false)
  expect(['a', 'a@1', 'b', 'c'].map((name) => countText(counts, name))).toEqual(['2', '1', '1', '0'])
  expect(countText(countRuns(runs, true), 'a')).toBe('2+')
  expect(countText(undefined, 'a')).toBe('')
})
