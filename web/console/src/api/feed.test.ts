import { expect, it } from 'vitest'
import { kept, pushed } from './feed.ts'

it('keeps the newest first, and a bounded number', () => {
  const rows = pushed([1], [2, 3])
  expect(rows).toEqual([3, 2, 1])
  expect(
    pushed(
      rows,
      Array.from({ length: kept + 5 }, (_, i) => i),
    ),
  ).toHaveLength(kept)
})
