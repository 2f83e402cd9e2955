import { describe, expect, it } from 'vitest'
import type { Schemas } from '@/api/client.ts'
import { branchName, followed } from './follow.ts'
import { progressOf } from './transactions.ts'

type Branch = Schemas['Branch']

function detail(status: Schemas['Status'], ...branches: Branch[]): Schemas['TransactionDetail'] {
  return { xid: 'a:1:7', status, branches }
}
const asked: Branch = { id: '1', state: 'Registered', attempts: 3, inFlightUntil: 'soon', failure: 'old' }

describe('what came of an operation', () => {
  it('waits while the attempt is under way, whatever an earlier one said', () => {
    const f = followed(detail('Committing', asked), detail('Committing', asked), ['1'])
    expect(f).toMatchObject({ attempted: 'working', outcome: 'waiting', over: false })
    expect(f.lines[0]).toMatchObject({ state: 'asked' })
    expect(f.lines[0]!.said).toBeUndefined()
  })

  it('says that the attempt has failed, what was said, and when it is tried again', () => {
    const now: Branch = { id: '1', state: 'Registered', attempts: 3, failure: 'closed', nextAttemptAt: 'then' }
    const f = followed(detail('Committing', asked), detail('Committing', now), ['1'])
    expect(f).toMatchObject({ attempted: 'done', outcome: 'failed', over: true })
    expect(f.lines[0]).toMatchObject({ state: 'failed', said: 'closed', again: 'then' })
  })

  it('sees that it has failed although the next attempt is under way already', () => {
    const now: Branch = { ...asked, attempts: 4, failure: 'closed' }
    expect(followed(detail('Committing', asked), detail('Committing', now), ['1']).outcome).toBe('failed')
  })

  it('tells that a participant is still at it from a failure', () => {
    const now: Branch = { id: '1', state: 'Registered', attempts: 3, nextAttemptAt: 'then' }
    expect(followed(detail('Committing', asked), detail('Committing', now), ['1']).outcome).toBe('ongoing')
  })

  it('does not say that somebody was asked where nobody is sent', () => {
    const said = 'http://h:1 does not answer, so nobody is sent there for a while: refused'
    const now: Branch = { id: '1', state: 'Registered', attempts: 3, failure: said, nextAttemptAt: 'then' }
    const f = followed(detail('Committing', asked), detail('Committing', now), ['1'])
    expect(f).toMatchObject({ attempted: 'unasked', outcome: 'unasked', over: true })
    expect(f.lines[0]).toMatchObject({ state: 'unasked', said, again: 'then' })
    const told = progressOf(f, detail('Committing', now))
    expect(told.attempted.text).toMatch(/^Not asked/)
    expect(told.result.text).not.toMatch(/answered|failed/)
  })

  it('says that the end is heuristic', () => {
    const skipped: Branch = { id: '1', state: 'Skipped', attempts: 3 }
    const now = { ...detail('Committed', skipped), heuristic: true }
    expect(progressOf(followed(detail('Committing', asked), now, ['1']), now).result).toMatchObject({
      state: 'warn',
      text: expect.stringMatching(/committed.*heuristic/),
    })
  })

  it('is refused for good', () => {
    const now: Branch = { id: '1', state: 'Refused', attempts: 3, failure: 'never' }
    const f = followed(detail('Committing', asked), detail('Committing', now), ['1'])
    expect(f.outcome).toBe('refused')
    expect(f.lines[0]!.said).toBe('never')
  })

  it('has ended', () => {
    const now: Branch = { id: '1', state: 'Finished', attempts: 3 }
    expect(followed(detail('Committing', asked), detail('Committed', now), ['1'])).toMatchObject({
      attempted: 'done',
      outcome: 'ended',
      over: true,
    })
  })

  it('is done with one branch while the transaction goes on', () => {
    const now: Branch = { id: '1', state: 'Finished', attempts: 3 }
    expect(followed(detail('Committing', asked), detail('Committing', now), ['1']).outcome).toBe('done')
  })

  it('waits for branches that have not had their turn, also after one before them has failed', () => {
    const second: Branch = { id: '2', state: 'Registered', attempts: 0 }
    const before = detail('RollingBack', asked, second)
    const first: Branch = { id: '1', state: 'Finished', attempts: 3 }
    expect(followed(before, detail('RollingBack', first, second), ['1', '2'])).toMatchObject({
      attempted: 'working',
      outcome: 'waiting',
    })
    const bad: Branch = { id: '1', state: 'Registered', attempts: 3, failure: 'no', nextAttemptAt: 'then' }
    const third: Branch = { ...second, id: '3' }
    const so = followed(before, detail('RollingBack', bad, second, third), ['1', '2', '3'])
    expect(so).toMatchObject({ attempted: 'working', outcome: 'failedSoFar', over: false })
    expect(progressOf(so, detail('RollingBack')).result).toMatchObject({
      state: 'warn',
      text: expect.stringMatching(/so far; 2 wait/),
    })
    const one = followed(before, detail('RollingBack', bad, second), ['1', '2'])
    expect(progressOf(one, detail('RollingBack')).result.text).toMatch(/so far; 1 waits/)
    const stuck = { ...detail('RollingBack', bad, second), stuck: true }
    expect(followed(before, stuck, ['1', '2'])).toMatchObject({ outcome: 'failed', over: true })
    const again: Branch = { id: '2', state: 'Registered', attempts: 1, failure: 'no', nextAttemptAt: 'then' }
    expect(followed(before, detail('RollingBack', bad, again), ['1', '2'])).toMatchObject({
      outcome: 'failed',
      over: true,
    })
  })

  it('needs no attempt where nobody is asked', () => {
    const ended = followed(detail('Committing'), detail('Committed'), [])
    expect(ended).toMatchObject({ attempted: 'none', outcome: 'ended' })
    expect(followed(detail('Committing'), detail('Committing'), [])).toMatchObject({
      outcome: 'done',
      over: true,
    })
  })

  it('counts an attempt from 1 again after the budget was used up', () => {
    const before: Branch = { id: '1', state: 'Registered', attempts: 1, inFlightUntil: 'soon', failure: 'old' }
    const now: Branch = { id: '1', state: 'Registered', attempts: 1, nextAttemptAt: 'then', failure: 'old' }
    expect(followed(detail('Committing', before), detail('Committing', now), ['1']).outcome).toBe('failed')
  })

  it('knows steps of sagas: done forward is not done backward', () => {
    const before: Branch = { id: '1', step: 'pay', state: 'Registered', attempts: 1, inFlightUntil: 'soon' }
    const now: Branch = { id: '1', step: 'pay', state: 'PhaseOneDone', attempts: 1 }
    expect(followed(detail('Active', before), detail('Active', now), ['1']).lines[0]!.state).toBe('done')
    expect(followed(detail('RollingBack', before), detail('RollingBack', now), ['1']).lines[0]!.state).not.toBe(
      'done',
    )
    const failed: Branch = { ...now, state: 'PhaseOneFailed', failure: 'no money' }
    expect(followed(detail('Active', before), detail('RollingBack', failed), ['1']).lines[0]!.state).toBe(
      'refused',
    )
  })
})

it('names branches by what people know them by', () => {
  expect(branchName({ id: '1', step: 'pay', resource: 'r' })).toBe('pay')
  expect(branchName({ id: '1', key: 'k', resource: 'r' })).toBe('k')
  expect(branchName({ id: '1', commitUrl: 'http://x' })).toBe('x')
  expect(branchName({ id: '1', resource: 'http://x:80/shop/v1/payments/confirm?a=1' })).toBe('payments/confirm')
  expect(branchName({ id: '1', resource: 'jdbc:mysql://h/stock' })).toBe('jdbc:mysql://h/stock')
  expect(branchName(undefined, '9')).toBe('9')
})
