import { expect, it } from 'vitest'
import type { Schemas } from '@/api/client.ts'
import { reasonAgainst } from './possible.ts'

const why = (...actions: Schemas['PossibleAction'][]): Schemas['Why'] => ({ actions })

it('allows what the server lists', () => {
  const detail: Schemas['TransactionDetail'] = {
    status: 'Committing',
    branches: [{ id: '1', state: 'Refused' }],
  }
  expect(reasonAgainst({ action: 'retry' }, detail, why({ action: 'retry' }))).toBe('')
  expect(reasonAgainst({ action: 'skip', branch: '1' }, detail, why({ action: 'skip', branch: '1' }))).toBe('')
})

it('retries one branch where the whole can be retried', () => {
  const detail: Schemas['TransactionDetail'] = {
    status: 'Committing',
    branches: [
      { id: '1', state: 'Refused' },
      { id: '2', state: 'Finished' },
    ],
  }
  expect(reasonAgainst({ action: 'retry', branch: '1' }, detail, why({ action: 'retry' }))).toBe('')
  expect(reasonAgainst({ action: 'retry', branch: '2' }, detail, why({ action: 'retry' }))).toContain('is done')
})

it.each([
  ['Committed', 'retry', 'has ended'],
  ['Committing', 'rollback', 'never reversed'],
  ['Active', 'skip', 'Nothing is decided yet'],
  ['Active', 'release', 'Nothing is decided yet'],
  ['Committing', 'finish', 'runs of sagas'],
] as const)('%s: %s is refused: %s', (status, action, text) => {
  expect(reasonAgainst({ action }, { status, lockCount: 2 }, why())).toContain(text)
})

it('says that there is nothing to release', () => {
  expect(reasonAgainst({ action: 'release' }, { status: 'RollingBack', lockCount: 0 }, why())).toContain(
    'no rows',
  )
})

it('lets people ask for the 19th skip, which the server does not list', () => {
  const listed = Array.from({ length: 18 }, (_, i) => ({ action: 'skip' as const, branch: String(i) }))
  const detail: Schemas['TransactionDetail'] = {
    status: 'RollingBack',
    branches: [{ id: '40', state: 'Registered' }],
  }
  expect(reasonAgainst({ action: 'skip', branch: '40' }, detail, why(...listed))).toBe('')
  expect(reasonAgainst({ action: 'skip', branch: '40' }, detail, why(listed[0]!))).not.toBe('')
})
