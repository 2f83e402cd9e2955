import { describe, expect, it } from 'vitest'
import { factsOf, pairsOf } from './compare.ts'

const at = (ms: number) => new Date(1_700_000_000_000 + ms).toISOString()

describe('two transactions', () => {
  const facts = factsOf(
    {
      status: 'Committed',
      cause: 'requested',
      beganAt: at(0),
      decidedAt: at(20),
      endedAt: at(40),
      branches: [{ attempts: 1 }],
    },
    {
      status: 'RolledBack',
      cause: 'requested',
      beganAt: at(0),
      decidedAt: at(25),
      endedAt: at(4000),
      branches: [{ attempts: 3, failure: 'down' }],
    },
  )
  const fact = (name: string) => facts.find((one) => one.name === name)!

  it('differ in what is said of them', () => {
    expect(fact('status')).toEqual({ name: 'status', a: 'Committed', b: 'RolledBack', differs: true })
    expect(fact('cause').differs).toBe(false)
    expect(fact('attempts')).toMatchObject({ a: '1', b: '3', differs: true })
    expect(fact('failed')).toMatchObject({ a: '0', b: '1', differs: true })
  })

  it('differ in time only if one took much longer', () => {
    expect(fact('untilDecision')).toMatchObject({ a: '20', b: '25', differs: false })
    expect(fact('untilEnd').differs).toBe(true)
  })

  it('differ if only one has ended', () => {
    const [a, b] = [{ beganAt: at(0), endedAt: at(1) }, { beganAt: at(0) }]
    expect(factsOf(a, b).find((one) => one.name === 'untilEnd')).toMatchObject({ a: '1', b: '', differs: true })
    expect(factsOf(b, b).some((one) => one.differs)).toBe(false)
  })
})

describe('their branches', () => {
  it('are paired by what they are called, whatever numbers are in it', () => {
    const pairs = pairsOf(
      {
        branches: [
          { id: '1', kind: 'HTTP', commitUrl: 'http://pay/17' },
          { id: '2', step: 'ship' },
        ],
      },
      {
        branches: [
          { id: '9', step: 'ship' },
          { id: '8', kind: 'HTTP', commitUrl: 'http://pay/18' },
        ],
      },
    )
    expect(pairs.map((pair) => [pair.a?.id, pair.b?.id, pair.differs])).toEqual([
      ['1', '8', false],
      ['2', '9', false],
    ])
  })

  it('are told apart by order, and those that only one has are shown', () => {
    const pairs = pairsOf(
      {
        branches: [
          { id: '1', resource: 'r', state: 'Finished' },
          { id: '2', resource: 'r' },
        ],
      },
      {
        branches: [
          { id: '5', resource: 'r', state: 'Refused' },
          { id: '6', resource: 'x' },
        ],
      },
    )
    expect(pairs.map((pair) => [pair.a?.id, pair.b?.id])).toEqual([
      ['1', '5'],
      ['2', undefined],
      [undefined, '6'],
    ])
    expect(pairs.every((pair) => pair.differs)).toBe(true)
  })
})
