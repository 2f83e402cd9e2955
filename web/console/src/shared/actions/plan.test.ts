import { describe, expect, it } from 'vitest'
import { askedOf, branchLabel, consequencesOf, plannedOf } from './plan.ts'

describe('a plan in words', () => {
  it('says who is called, and where', () => {
    const all = consequencesOf({
      calls: [
        { branch: '1', operation: 'commit', url: 'http://pay/confirm' },
        { branch: '2', operation: 'commit', resource: 'jdbc:mysql://stock' },
      ],
    })
    expect(all).toEqual([
      {
        kind: 'calls',
        text: 'Asks 2 participants to commit',
        items: ['1 · http://pay/confirm', '2 · jdbc:mysql://stock'],
      },
    ])
  })

  it('warns first of what cannot be taken back', () => {
    const all = consequencesOf({ heuristic: true, decides: 'rollback', leaves: ['4'] })
    expect(all.map((one) => one.kind)).toEqual(['warns', 'decides', 'leaves'])
    expect(all[2]!.text).toContain('1 branch as it is')
  })

  it('tells rows that are free at once from those that are free later', () => {
    const all = consequencesOf({
      frees: [
        { branch: '1', resource: 'a', rows: 3, atOnce: true },
        { branch: '2', resource: 'b', rows: 1200, atOnce: false },
      ],
    })
    expect(all.map((one) => one.text)).toEqual([
      'Unlocks 3 rows at once',
      'Unlocks 1,200 rows when the calls have succeeded',
    ])
    expect(all[1]!.items).toEqual(['1,200 rows of b, branch 2'])
  })

  it('names messages by what they are about', () => {
    const [one] = consequencesOf({
      messages: [
        { topic: 'concord-commit', about: 'decision' },
        { topic: 'mails', about: 'branch', branch: '3' },
      ],
    })
    expect(one!.items).toEqual(['concord-commit: the decision', 'mails: the message of branch 3'])
  })

  it('is empty if nothing happens', () => {
    expect(plannedOf({ status: 'Committing', resultingStatus: 'Committing', digest: 'd' })).toEqual({
      from: 'Committing',
      to: 'Committing',
      digest: 'd',
      consequences: [],
    })
  })
})

it('knows whom a plan asks, by calls and by messages', () => {
  expect(
    askedOf({
      calls: [{ branch: '1' }, { branch: '1' }],
      messages: [
        { about: 'decision', topic: 't' },
        { about: 'branch', branch: '2' },
      ],
    }),
  ).toEqual(['1', '2'])
})

it('labels branches by steps and keys', () => {
  const detail = { branches: [{ id: '1', step: 'pay' }, { id: '2' }] }
  expect(branchLabel('1', detail)).toBe('pay (1)')
  expect(branchLabel('2', detail)).toBe('2')
})
