import { describe, expect, it } from 'vitest'
import type { Schemas } from '@/api/client.ts'
import { momentsOf, replay } from './replay.ts'

const t0 = Date.parse('2026-01-01T00:00:00Z')
const iso = (ms: number) => new Date(t0 + ms).toISOString()
const entry = (ms: number, event: string, branch = '', text = '') => ({ at: iso(ms), event, branch, text })

const detail: Schemas['TransactionDetail'] = {
  status: 'RolledBack',
  branches: [
    { id: '1', kind: 'AT', resource: 'stock', registeredAt: iso(10) },
    { id: '2', kind: 'AT', resource: 'pay', registeredAt: iso(20) },
  ],
}
const history = [
  entry(0, 'began'),
  entry(10, 'registered', '1'),
  entry(20, 'registered', '2'),
  entry(30, 'reported', '2', 'PhaseOneDone'),
  entry(100, 'rollbackDecided', '', 'requested'),
  entry(110, 'finished', '2'),
  entry(140, 'attemptFailed', '1', 'down'),
  entry(200, 'refused', '1', 'dirty'),
  entry(300, 'retryRequested', '', 'kim: fixed'),
  entry(310, 'skipped', '1', 'kim: by hand'),
  entry(310, 'ended'),
]
const then = (ms: number) => replay(detail, history, t0 + ms)
const states = (ms: number) => then(ms).branches.map((branch) => branch.state)
const locks = (ms: number) => then(ms).branches.map((branch) => branch.locks)

describe('a transaction as it was', () => {
  it('was not there before its begin', () => {
    expect(then(-1)).toMatchObject({ status: undefined, index: -1 })
    expect(states(-1)).toEqual(['absent', 'absent'])
  })

  it('takes branches one after the other', () => {
    expect(states(10)).toEqual(['registered', 'absent'])
    expect(states(30)).toEqual(['registered', 'reported'])
    expect(then(30)).toMatchObject({ status: 'Active', stuck: false })
  })

  it('asks all at the decision, and holds rows until they are undone', () => {
    expect(locks(50)).toEqual([true, true])
    expect(states(100)).toEqual(['asked', 'asked'])
    expect(locks(100)).toEqual([true, true])
    expect(locks(110)).toEqual([true, false])
    expect(then(110).status).toBe('RollingBack')
  })

  it('tells failures, and when it was stuck', () => {
    expect(then(150).branches[0]).toMatchObject({ state: 'trying', failures: 1, said: 'down' })
    expect(then(250)).toMatchObject({ stuck: true })
    expect(then(250).branches[0]).toMatchObject({ state: 'refused', said: 'dirty' })
    expect(then(300)).toMatchObject({ stuck: false })
  })

  it('ended as it did, by a person', () => {
    expect(then(310)).toMatchObject({ status: 'RolledBack', heuristic: true, stuck: false, index: 10 })
    expect(states(310)).toEqual(['skipped', 'finished'])
    expect(locks(310)).toEqual([false, false])
    expect(then(305)).toMatchObject({ heuristic: false })
  })

  it('frees rows at once if it commits', () => {
    const commit = [
      entry(0, 'began'),
      entry(10, 'registered', '1'),
      entry(100, 'commitDecided'),
      entry(120, 'ended'),
    ]
    expect(replay(detail, commit, t0 + 100).branches[0]!.locks).toBe(false)
    expect(replay(detail, commit, t0 + 120).status).toBe('Committed')
  })
})

describe('a saga', () => {
  const pay = { id: '1', step: 'pay', registeredAt: iso(5) }
  const saga: Schemas['TransactionDetail'] = { saga: 'order', branches: [pay] }
  const told = [
    entry(0, 'began'),
    entry(5, 'stepStarted', '1', 'pay'),
    entry(9, 'attemptFailed', '1', 'attempt 3: no answer'),
    entry(20, 'stepDone', '1'),
    entry(30, 'rollbackDecided'),
    entry(40, 'finished', '1'),
    entry(40, 'ended'),
  ]
  const at = (ms: number) => replay(saga, told, t0 + ms).branches[0]!

  it('does its steps, and undoes them', () => {
    expect(at(5).state).toBe('running')
    expect(at(9)).toMatchObject({ state: 'trying', failures: 3, said: 'no answer' })
    expect(at(20).state).toBe('stepDone')
    expect(at(30).state).toBe('asked')
    expect(at(40).state).toBe('finished')
  })

  it('leaves what is done alone if it commits', () => {
    const commit = [...told.slice(0, 4), entry(30, 'commitDecided')]
    expect(replay(saga, commit, t0 + 30).branches[0]!.state).toBe('stepDone')
  })
})

it('knows the moments at which something happened', () => {
  expect(momentsOf(history)).toHaveLength(10)
  expect(momentsOf([])).toEqual([])
})
