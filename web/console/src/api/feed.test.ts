import { expect, it } from 'vitest'
import { kept, pushed, resumed } from './feed.ts'

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

it('goes on behind what it has', () => {
  expect(resumed('/api/v1/events/stream', '41')).toBe('/api/v1/events/stream?from=42')
  expect(resumed('/api/v1/events/stream?topics=stock', '9007199254740993')).toBe(
    '/api/v1/events/stream?topics=stock&from=9007199254740994',
  )
  expect(resumed('/api/v1/decisions/stream', 'a:1,b:2')).toBe('/api/v1/decisions/stream?from=a%3A1%2Cb%3A2')
})
