import { expect, it } from 'vitest'
import { entryOf, eventOf, streamPath } from './feed.ts'

it('reads entries of the stream', () => {
  const entry = entryOf({ time: '2026-01-01T00:00:00Z', data: { topic: 'mails' }, subject: 'h:1:2' }, '7')
  expect(entry).toMatchObject({ seq: 7, topic: 'mails', at: '2026-01-01T00:00:00Z' })
  expect(eventOf(entry).subject).toBe('h:1:2')
  expect(eventOf({ event: 'no JSON' as never })).toEqual({})
})

it('asks for topics', () => {
  expect(streamPath('')).toBe('/api/v1/events/stream')
  expect(streamPath('a,b')).toBe('/api/v1/events/stream?topics=a%2Cb')
})
