import { describe, expect, it } from 'vitest'
import { stepsOf } from '@/saga/graph'
import { branchesOf, paintsOf, stateOf, type Run, type RunStep } from './paint.ts'

const purchase = stepsOf({
  steps: [
    { id: 'hold', worker: { task: 'hold' } },
    { id: 'size', choice: { cases: [{ case: 'large', when: 'x' }], else: 'small' } },
    { id: 'manager', after: 'size.large', approval: {}, onRefused: 'board' },
    { id: 'board', approval: {} },
    { id: 'order', after: ['size.small', 'manager', 'board'], call: { url: 'u' } },
    { id: 'mail', when: 'y', message: { topic: 't' } },
    { id: 'end', after: ['mail', 'order'], message: { topic: 't' } },
  ],
})

function branch(id: string, state: RunStep['state'], more: Partial<RunStep> = {}): RunStep {
  return { id, name: id, state: state!, branch: '1', kind: 'call', attempts: 1, ...more } as RunStep
}

function run(steps: RunStep[], more: Partial<Run> = {}): Run {
  return { xid: 'h:1:7', status: 'Active', outcome: 'running', steps, ...more } as Run
}

describe('a run on the graph', () => {
  it('shows where it is, and what has not been reached', () => {
    const paints = paintsOf(run([branch('hold', 'done'), branch('manager', 'waiting')]), purchase)
    expect(paints['hold']).toMatchObject({ state: 'done', current: false })
    expect(paints['size']).toEqual({ state: 'done', took: 'large' })
    expect(paints['manager']).toMatchObject({ state: 'waiting', current: true })
    expect(paints['board']).toEqual({ state: 'idle' })
  })

  it('takes what was passed over as skipped', () => {
    const steps = [branch('hold', 'done'), branch('order', 'done'), branch('end', 'running')]
    const paints = paintsOf(run(steps), purchase)
    expect(paints['size']).toEqual({ state: 'done', took: 'small' })
    expect(paints['manager']).toEqual({ state: 'skipped' })
    expect(paints['board']).toEqual({ state: 'skipped' })
    expect(paints['mail']).toEqual({ state: 'skipped' })
  })

  it('has nothing open of a run that is done', () => {
    const paints = paintsOf(run([branch('hold', 'done')], { status: 'Committed', outcome: 'done' }), purchase)
    expect(Object.values(paints).map((paint) => paint.state)).not.toContain('idle')
  })

  it('shows undoing instead of what was done', () => {
    const undone = branch('hold', 'done', { undo: { state: 'done', attempts: 3 } })
    expect(paintsOf(run([undone]), purchase)['hold']).toMatchObject({ state: 'undone', attempts: 3 })
    expect(stateOf(branch('a', 'done', { undo: { state: 'waiting', attempts: 0 } }))).toBe('undoing')
    expect(stateOf(branch('a', 'unknown', { undo: { state: 'refused', attempts: 2 } }))).toBe('undoRefused')
  })

  it('marks what a stuck run is stuck at', () => {
    const stuck = run([branch('hold', 'refused', { failure: 'closed' })], { stuck: true })
    expect(paintsOf(stuck, purchase)['hold']).toMatchObject({ current: true, failure: 'closed' })
    const back = { ...stuck, status: 'RollingBack' } as Run
    expect(paintsOf(back, purchase)['hold']).toMatchObject({ current: false })
  })

  it('says how long a step took, and nothing while it runs', () => {
    const times = { startedAt: '2026-01-01T00:00:00Z', endedAt: '2026-01-01T00:00:01.500Z' }
    expect(paintsOf(run([branch('hold', 'done', times)]), purchase)['hold']!.durationMs).toBe(1500)
    const going = branch('hold', 'running', { startedAt: times.startedAt })
    expect(paintsOf(run([going]), purchase)['hold']).not.toHaveProperty('durationMs')
  })
})

describe('loops, turns, and sub-sagas', () => {
  it('counts items, and takes the newest turn', () => {
    const steps = [
      branch('each', 'done', { name: 'each[0]#1' }),
      branch('each', 'running', { name: 'each[0]#2' }),
      branch('each', 'done', { name: 'each[1]#1' }),
      branch('each', 'refused', { name: 'each[2]#1', failure: 'no' }),
    ]
    expect(branchesOf(run(steps)).get('each')).toHaveLength(3)
    const paints = paintsOf(run(steps), stepsOf({ steps: [{ id: 'each', call: { url: 'u' } }] }))
    expect(paints['each']).toMatchObject({ state: 'refused', items: { done: 1, of: 3, failed: 1 } })
  })

  it('paints a sub-saga by its steps, and these if it is unfolded', () => {
    const steps = stepsOf({ steps: [{ id: 'trip', subSaga: { saga: 'travel' } }] })
    const inner = stepsOf({
      steps: [
        { id: 'flight', call: { url: 'u' } },
        { id: 'hotel', call: { url: 'u' } },
      ],
    })
    const now = run([branch('trip/flight', 'done'), branch('trip/hotel', 'retrying')])
    expect(Object.keys(paintsOf(now, steps))).toEqual(['trip'])
    expect(paintsOf(now, steps)['trip']).toMatchObject({ state: 'retrying', current: true })
    expect(paintsOf(now, steps, { trip: inner })).toMatchObject({
      'trip/flight': { state: 'done' },
      'trip/hotel': { state: 'retrying' },
    })
  })
})
