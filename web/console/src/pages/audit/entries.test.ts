import { describe, expect, it } from 'vitest'
import { changesOf, placeOf, short, stageOf } from './entries.ts'

describe('what has changed', () => {
  it('lists what differs, what came and what went', () => {
    expect(changesOf({ a: 1, b: [1], c: 'x' }, { a: 2, b: [1], d: true })).toEqual([
      { field: 'a', before: 1, after: 2 },
      { field: 'c', before: 'x', after: undefined },
      { field: 'd', before: undefined, after: true },
    ])
    expect(changesOf(undefined, null)).toEqual([])
    expect(changesOf('x', 'y')).toEqual([])
  })

  it('is written on one line', () => {
    expect([short(undefined), short('x'), short([1, 2]), short({ a: 1 })]).toEqual([
      '',
      'x',
      '[1,2]',
      '{"a":1}',
    ])
  })
})

it('never says that an intention was carried out, or that a refusal was', () => {
  expect(stageOf({ phase: 'intent' }).word).toBe('intent')
  expect(stageOf({ phase: 'outcome', status: 409 })).toEqual({ word: 'refused', tone: 'bad' })
  expect(stageOf({ phase: 'outcome', status: 204 }).word).toBe('succeeded')
  expect(stageOf({ phase: 'fact' }).word).toBe('succeeded')
})

it.each([
  ['transaction.operate', 'a:1:7', '/transactions/7'],
  ['job.start', '17-x', '/jobs/17-x'],
  ['saga.publish', 'order', '/sagas/order'],
  ['saga.resume', 'a:1:7', '/runs/7'],
  ['inbox.claim', 'letter:mail/3', '/inbox?open=letter%3Amail%2F3'],
  ['deadletter.replay', 'mail/3', '/events?tab=letters&group=mail'],
  ['setting.change', 'rate', ''],
  ['key.create', '', ''],
])('%s on %s is at %s', (action, target, place) => expect(placeOf({ action, target })).toBe(place))
