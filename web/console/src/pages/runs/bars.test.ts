import { describe, expect, it } from 'vitest'
import { barsOf, scaleOf, ticksOf } from './bars.ts'
import type { Run } from './paint.ts'

const at = (seconds: number) => new Date(Date.UTC(2026, 0, 1) + seconds * 1000).toISOString()
const ms = (seconds: number) => Date.parse(at(seconds))

const run = {
  xid: 'h:1:7',
  status: 'RolledBack',
  outcome: 'failed',
  beganAt: at(0),
  decidedAt: at(5),
  steps: [
    {
      branch: '1',
      name: 'reserve',
      id: 'reserve',
      state: 'done',
      startedAt: at(0),
      endedAt: at(1),
      undo: { state: 'done', attempts: 2, endedAt: at(9) },
    },
    { branch: '2', name: 'pay', id: 'pay', state: 'refused', startedAt: at(1), endedAt: at(5) },
  ],
  timeline: [
    { at: at(1), event: 'stepDone', step: 'reserve', attempt: 1, tookMs: 900 },
    { at: at(3), event: 'attemptFailed', step: 'pay', attempt: 1, text: '503' },
    { at: at(5), event: 'stepRefused', step: 'pay', text: 'no money' },
    { at: at(5), event: 'rollbackDecided' },
    { at: at(7), event: 'attemptFailed', step: 'reserve', attempt: 1, tookMs: 1000, text: 'locked' },
    { at: at(9), event: 'finished', step: 'reserve', attempt: 2 },
  ],
} as Run

describe('bars of a run', () => {
  const [reserve, pay] = barsOf(run)

  it('tell forward and back apart', () => {
    expect(reserve!.forward).toMatchObject({ from: ms(0), to: ms(1) })
    expect(reserve!.forward.attempts).toEqual([{ at: ms(1), good: true, text: '', attempt: 1, tookMs: 900 }])
    expect(reserve!.undo).toMatchObject({ from: ms(6), to: ms(9) })
    expect(reserve!.undo!.attempts.map((each) => each.good)).toEqual([false, true])
    expect(pay!.undo).toBeUndefined()
    expect(pay!.forward.attempts.map((each) => each.text)).toEqual(['503', 'no money'])
  })

  it('stay open while a step goes on', () => {
    const going = {
      ...run,
      decidedAt: undefined,
      steps: [{ ...run.steps![1], state: 'running', endedAt: undefined }],
    }
    const [bar] = barsOf(going as Run)
    expect(bar!.forward).not.toHaveProperty('to')
    expect(scaleOf([bar!], ms(0), ms(60)).to).toBe(ms(60))
  })

  it('end somewhere even if nobody says when', () => {
    const step = { branch: '3', name: 'x', id: 'x', state: 'abandoned', startedAt: at(2) }
    const left = { ...run, steps: [step], timeline: [] }
    expect(barsOf(left as unknown as Run)[0]!.forward.to).toBe(ms(5))
  })
})

it('a scale is from 0 to 1', () => {
  const scale = scaleOf(barsOf(run), ms(0), ms(100))
  expect([scale.at(ms(-1)), scale.at(ms(0)), scale.at(ms(9)), scale.at(ms(200))]).toEqual([0, 0, 1, 1])
})

it('ticks are round', () => {
  expect(ticksOf(9000)).toEqual([0, 2000, 4000, 6000, 8000])
  expect(ticksOf(0)).toEqual([0])
  expect(ticksOf(3 * 86_400_000).length).toBeLessThan(8)
})
