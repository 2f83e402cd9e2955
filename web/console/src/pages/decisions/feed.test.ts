import { expect, it } from 'vitest'
import { dataOf, decisionOf, placeOf, placeText } from './feed.ts'

it('reads an event', () => {
  const row = decisionOf({
    subject: 'h:1:2',
    time: '2026-01-01T00:00:00Z',
    data: { xid: 'h:1:2', outcome: 'commit' },
  })
  expect(row).toMatchObject({ xid: 'h:1:2', outcome: 'commit', at: '2026-01-01T00:00:00Z' })
  expect(decisionOf({ subject: 'h:1:3' }).xid).toBe('h:1:3')
  expect(dataOf({ event: { data: { application: 'shop' } } as never }).application).toBe('shop')
  expect(dataOf({})).toEqual({})
})

it('says where it is', () => {
  expect(placeOf({ topic: 'concord-commit', queue: 0, offset: 7 })).toBe('concord-commit / 7')
  expect(placeOf({ topic: 'concord-commit', broker: 'b', queue: 3, offset: 7 })).toBe(
    'concord-commit / b / 3 / 7',
  )
  expect(placeOf({})).toBe('')
})

it('reads a place as people write it', () => {
  expect(placeText(' 17 ')).toBe('17')
  expect(placeText('concord-commit / 7')).toBe('7')
  expect(placeText('concord-commit / b / 3 / 7')).toBe('concord-commit/b/3/7')
  expect(placeText('')).toBe('')
  expect(placeText('anything')).toBe('anything')
})
