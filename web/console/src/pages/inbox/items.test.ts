import { describe, expect, it } from 'vitest'
import {
  approvalItem,
  chosen,
  counted,
  halfItems,
  kindOfAll,
  letterItem,
  letterOf,
  nameOf,
  splitName,
  transactionItem,
  waitItem,
  waitOf,
  type Claim,
} from './items.ts'
import { mayAnswer } from '@/shared/actions/waits.ts'

const stuck = transactionItem({
  xid: 'a:1:7',
  name: 'place order',
  application: 'shop',
  status: 'Committing',
  stuckReason: 'refused',
  beganAt: '2026-01-01T00:00:00Z',
  decidedAt: '2026-01-01T00:00:05Z',
})
const approval = approvalItem({
  id: 'p1',
  action: 'discard',
  group: 'mail',
  letter: '9',
  asker: 'kim',
  reason: 'spam',
  askedAt: '2026-01-01T00:00:03Z',
})
const wait = waitItem({
  xid: 'a:1:8',
  step: 'boss[1]',
  saga: 'purchase',
  since: '2026-01-01T00:00:04Z',
  prompt: 'pay?',
})
const letter = letterItem('mail', {
  id: '3/4',
  topic: 'concord-commit',
  attempts: 4,
  at: '2026-01-01T00:00:01Z',
})
const items = [stuck, approval, wait, letter]
const claim = (name: string, own: boolean): [string, Claim] => [
  name,
  { id: 'c', item: name, note: '', owner: own ? 'me' : 'kim', own, at: '' },
]

describe('what needs a person', () => {
  it('waits since it was decided, asked for, or given up', () => {
    expect(items.map((item) => item.at.slice(-4, -1))).toEqual([':05', ':03', ':04', ':01'])
  })

  it('says why in words', () => {
    expect(items.map((item) => item.why)).toEqual([
      'a participant has refused',
      'kim asks: spam',
      'pay?',
      '4 attempts have failed',
    ])
  })

  it('has half messages only if brokers have given up, or decisions are late', () => {
    expect(halfItems({ pending: 3, ageMs: 500 })).toEqual([])
    expect(halfItems({ pending: 3, ageMs: 60_000, oldestAt: 'then' }).map((one) => one.id)).toEqual(['pending'])
    const half = { broker: 'b', queue: 1, offset: 2, pack: 'p', checks: 15, storedAt: 'then' }
    expect(halfItems({ givenUp: [half] })[0]).toMatchObject({
      id: 'b/1/2',
      why: 'the broker has given up asking (15 checks)',
    })
  })

  it('is named so that it is found again', () => {
    for (const item of items) expect(splitName(nameOf(item))).toEqual({ kind: item.kind, id: item.id })
    expect(splitName('p1', 'approval')).toEqual({ kind: 'approval', id: 'p1' })
    expect(splitName('p1')).toBeUndefined()
    expect(splitName('a:1:7', 'transaction')).toEqual({ kind: 'transaction', id: 'a:1:7' })
    expect(letterOf(letter.id)).toEqual({ group: 'mail', letter: '3/4' })
    expect(waitOf(wait.id)).toEqual({ xid: 'a:1:8', step: 'boss[1]' })
  })
})

describe('the list', () => {
  const claims = new Map([claim(nameOf(stuck), true), claim(nameOf(letter), false)])
  const all = { text: '', owner: '' as const, newest: false }
  const ids = (wanted: Parameters<typeof chosen>[2]) => chosen(items, claims, wanted).map((item) => item.kind)

  it('has the oldest first, or the newest', () => {
    expect(ids(all)).toEqual(['letter', 'approval', 'wait', 'transaction'])
    expect(ids({ ...all, newest: true })).toEqual(['transaction', 'wait', 'approval', 'letter'])
  })

  it('is narrowed by kind, text and owner', () => {
    expect(ids({ ...all, kind: 'wait' })).toEqual(['wait'])
    expect(ids({ ...all, text: ' SHOP ' })).toEqual(['transaction'])
    expect(ids({ ...all, text: 'spam' })).toEqual(['approval'])
    expect(ids({ ...all, owner: 'mine' })).toEqual(['transaction'])
    expect(ids({ ...all, owner: 'nobody' })).toEqual(['approval', 'wait'])
  })

  it('counts by kind, and knows what is alike', () => {
    expect(counted(items)).toEqual({ transaction: 1, approval: 1, wait: 1, letter: 1, half: 0 })
    expect(kindOfAll([letter, letter])).toBe('letter')
    expect(kindOfAll(items)).toBeUndefined()
    expect(kindOfAll([])).toBeUndefined()
  })
})

it('knows who may answer a saga', () => {
  const me = (name: string, ...roles: string[]) => ({ name, roles }) as Parameters<typeof mayAnswer>[0]
  expect(mayAnswer(undefined, undefined)).toBe(false)
  expect(mayAnswer(me('kim', 'viewer'), [])).toBe(false)
  expect(mayAnswer(me('kim', 'operator'), [])).toBe(true)
  expect(mayAnswer(me('kim', 'viewer'), ['kim'])).toBe(true)
  expect(mayAnswer(me('kim', 'operator'), ['resolver'])).toBe(false)
  expect(mayAnswer(me('kim', 'admin'), ['resolver'])).toBe(true)
})
